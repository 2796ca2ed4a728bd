/** Tenants and their applications. Times are UNIX milliseconds. */

export interface Tenant {
  readonly tenantId: string
  readonly name: string | null
  readonly createdAt: number
  /** Set when it was removed or unregistered; its rows follow in the background. */
  readonly removedAt: number | null
}

export interface Application {
  readonly appName: string
  readonly tenantId: string
  readonly createdAt: number
  /** Set when it was removed; nothing of it validates any more, its rows follow in the background. */
  readonly removedAt: number | null
}
