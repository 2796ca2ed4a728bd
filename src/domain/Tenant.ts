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
  /** Not null: Tekton has it no more. It is answered like an unknown one, its rows stay, and it may come back. */
  readonly outOfService: OutReason | null
}

export const outReasons = ["absent", "deleted"] as const
/** `absent`: a whole answer lacked it. `deleted`: its configuration was deleted. */
export type OutReason = (typeof outReasons)[number]

export const isInService = ({ outOfService, removedAt }: Application): boolean =>
  removedAt === null && outOfService === null
