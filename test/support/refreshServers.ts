/**
 * What a test of refreshes at real servers stands on: a database of its own, hostile providers, a client that asks, and
 * as many services over them as it starts, one after the other or beside each other. `close` ends all of it, whatever came about.
 */
import { assert } from "vitest"
import { type Client, connectClient } from "./client.ts"
import { type FreshDatabase, freshDatabase } from "./freshDatabase.ts"
import { type Service, type ServiceOptions, startService } from "./service.ts"
import { type HostileProvider, type ProviderRules, startProvider } from "./standIns/provider.ts"
import { type StatementGate, statementGate } from "./statementGate.ts"

export type Kind = Pick<ProviderRules, "refreshTokens" | "reuse" | "graceMs">

/** A spent grant that is used again ends its whole family: the provider at which most can be lost. */
export const endsFamilies: Kind = { refreshTokens: "rotate", reuse: "revoke_family", graceMs: 0 }

export interface StoredGrant {
  readonly id: string
  /** The grant's family at its provider. */
  readonly family: string
}

type Start = Omit<ServiceOptions, "natsUrl" | "databaseUrl" | "instance"> & Partial<Pick<ServiceOptions, "databaseUrl">>

const lifeSeconds = 3_600

export const refreshServers = (instance: string) => {
  let database: FreshDatabase | undefined
  let gate: StatementGate | undefined
  let client: Client | undefined
  let natsUrl = ""
  let keyFile: string | undefined
  let stored = 0
  const services: Array<Service> = []
  const providers = new Map<string, { readonly provider: HostileProvider; readonly kind: Kind }>()

  const opened = <A>(part: A | undefined): A => {
    if (part === undefined) throw new Error("not open yet, or without a gate")
    return part
  }
  const ask = (operation: string, body: unknown = {}) => opened(client).ask("demo", operation, body)
  const provider = (name: string): HostileProvider => opened(providers.get(name)).provider

  return {
    /** Before anything else. */
    open: async (urls: { readonly natsUrl: string; readonly databaseUrl: string }, timeoutMs = 75_000) => {
      natsUrl = urls.natsUrl
      database = await freshDatabase(urls.databaseUrl)
      const { hostname, port } = new URL(database.url)
      gate = await statementGate({ host: hostname, port: Number(port) })
      client = await connectClient({ natsUrl, instance, timeoutMs })
    },
    client: () => opened(client),
    database: () => opened(database),
    gate: () => opened(gate),
    /** The database's address through the gate. */
    gatedUrl: (): string => Object.assign(new URL(opened(database).url), { port: String(opened(gate).port) }).href,
    /** Stands there, and no service knows of it. */
    standProvider: async (name: string, kind: Kind): Promise<HostileProvider> => {
      const made = await startProvider({ ...kind, lifeSeconds })
      providers.set(name, { provider: made, kind })
      return made
    },
    provider,
    /** May reach every provider that stands there. All share the keys of the first one. */
    start: async (options: Start = {}): Promise<Service> => {
      const hosts = Array.from(providers.values(), (one) => one.provider.host).join(",")
      const service = await startService({
        natsUrl,
        databaseUrl: opened(database).url,
        instance,
        ...(keyFile === undefined ? {} : { keyFile }),
        ...options,
        env: { CM_PROVIDER_HOSTS_ALLOWED: hosts, ...options.env }
      })
      keyFile ??= service.keyFile
      services.push(service)
      return service
    },
    ask,
    /** The provider's entry, as the stand-in wants it. */
    putProvider: async (name: string, over: object = {}): Promise<void> => {
      const { kind, provider: standing } = opened(providers.get(name))
      const answer = await ask("provider.put", {
        name,
        token_url: standing.tokenUrl,
        client_auth: "post",
        client_id: standing.client.id,
        client_secrets: [standing.client.secret],
        refresh_tokens: kind.refreshTokens,
        reuse: kind.reuse,
        grace: `PT${kind.graceMs / 1_000}S`,
        rate_per_minute: 1_000,
        ...over
      })
      assert.strictEqual(answer.status, 201, JSON.stringify(answer.body))
    },
    /** A person connects, and it is stored. */
    store: async (name: string, livesMs = lifeSeconds * 1_000): Promise<StoredGrant> => {
      const { credentials, family } = provider(name).connect()
      const answer = await ask("credential.store", {
        service_name: `svc${++stored}`,
        type: "oauth",
        credentials,
        expires_at: new Date(Date.now() + livesMs).toISOString(),
        allowed_consumers: ["mail"],
        rotation: { provider: name }
      })
      assert.strictEqual(answer.status, 201, JSON.stringify(answer.body))
      return { id: answer.body.credential_id as string, family }
    },
    rotate: (id: string, over: object = {}) => ask("credential.rotate", { credential_id: id, ...over }),
    /** As `credential.list` shows it: that one begins nothing, and waits for nothing. */
    shown: async (id: string) =>
      (await ask("credential.list", { limit: 1_000 })).body.content.find(
        (one: { readonly credential_id: string }) => one.credential_id === id
      ),
    /** What is handed out is what the provider still takes. */
    assertLive: async (name: string, { family, id }: StoredGrant, what = "the grant that is held"): Promise<void> => {
      const got = await ask("credential.get.mail", { credential_id: id })
      assert.isTrue(provider(name).isLive(family, got.body.credentials.refresh_token), what)
    },
    close: async (): Promise<void> => {
      await client?.close()
      for (const service of services) await service.stop()
      await gate?.close()
      await Promise.all(Array.from(providers.values(), (one) => one.provider.stop()))
      await database?.drop()
    }
  }
}
export type RefreshServers = ReturnType<typeof refreshServers>
