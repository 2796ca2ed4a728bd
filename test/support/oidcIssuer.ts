/**
 * A real OpenID provider on loopback, in this process: discovery, keys, tokens by client credentials.
 *
 * Its access tokens are JWTs for the audience `cm`. What a token grants is what its request says: scopes as
 * in any request, permissions beside it. Keys can be rotated, the address can go away, come back and be slow.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { exportJWK, generateKeyPair } from "jose"
import Provider from "oidc-provider"
import { adminScopes, type Row, tenantScopes } from "../../src/access/Scopes.ts"

export interface Permission {
  readonly rsname: string
  readonly scopes: ReadonlyArray<string>
}

export interface OidcIssuer {
  readonly issuer: string
  readonly audience: string
  /** A token of the provider's, by a request to it; the same again to whoever wants the same. Its subject is `robot`. */
  readonly token: (scope?: string, permissions?: ReadonlyArray<Permission>) => Promise<string>
  /** New keys; the old ones are published no more. */
  readonly rotateKeys: () => Promise<void>
  /** Every request is answered so, instead of by the provider; null: by the provider. */
  answer: ((request: IncomingMessage, response: ServerResponse) => void) | null
  /** Keeps every request waiting until what it gives is called. */
  readonly hold: () => () => void
  readonly close: () => Promise<void>
}

const scopesOf = (row: Row): ReadonlyArray<string> =>
  "scopes" in row ? Object.values(row.scopes) : "scope" in row ? [row.scope] : []
export const everyScope = Array.from(
  new Set([...Object.values(tenantScopes), ...Object.values(adminScopes)].flatMap(scopesOf))
).join(" ")

/** A token is given again for as long as it is good for longer than a test takes. */
const secondsGood = 1_200
const givenAgainMs = 600_000

const client = { id: "robot", secret: "a secret of the tests" }

export const oidcIssuer = async (): Promise<OidcIssuer> => {
  let granted: ReadonlyArray<Permission> = []
  let keyNumber = 0
  const given = new Map<string, { readonly token: string; readonly sinceMs: number }>()
  let handle: (request: IncomingMessage, response: ServerResponse) => unknown = () => undefined
  const server = createServer((request, response) => {
    if (self.answer !== null) self.answer(request, response)
    // Never fails: what goes wrong is answered.
    else void handle(request, response)
  })
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const provide = async (): Promise<void> => {
    const { privateKey } = await generateKeyPair("ES256", { extractable: true })
    const key = { ...(await exportJWK(privateKey)), kid: `k${++keyNumber}`, use: "sig", alg: "ES256" }
    const provider = new Provider(issuer, {
      jwks: { keys: [key] },
      clients: [
        {
          client_id: client.id,
          client_secret: client.secret,
          grant_types: ["client_credentials"],
          redirect_uris: [],
          response_types: [],
          id_token_signed_response_alg: "ES256"
        }
      ],
      scopes: everyScope.split(" "),
      cookies: { keys: ["a key of the tests"] },
      extraTokenClaims: () => (granted.length === 0 ? {} : { authorization: { permissions: granted } }),
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => "urn:cm",
          getResourceServerInfo: () => ({
            scope: everyScope,
            audience: "cm",
            accessTokenFormat: "jwt",
            accessTokenTTL: secondsGood,
            jwt: { sign: { alg: "ES256" } }
          })
        }
      }
    } as ConstructorParameters<typeof Provider>[1])
    handle = provider.callback()
    given.clear()
  }
  await provide()

  const self: OidcIssuer = {
    issuer,
    audience: "cm",
    answer: null,
    hold: () => {
      const held: Array<() => void> = []
      self.answer = (request, response) => void held.push(() => void handle(request, response))
      return () => {
        self.answer = null
        for (const go of held.splice(0)) go()
      }
    },
    rotateKeys: provide,
    token: async (scope = "", permissions = []) => {
      const wanted = JSON.stringify([scope, permissions])
      const before = given.get(wanted)
      if (before !== undefined && performance.now() - before.sinceMs < givenAgainMs) return before.token
      granted = permissions
      const body = new URLSearchParams({ grant_type: "client_credentials", ...(scope === "" ? {} : { scope }) })
      const answer = await fetch(`${issuer}/token`, {
        method: "POST",
        headers: {
          authorization: `Basic ${Buffer.from(`${client.id}:${encodeURIComponent(client.secret)}`).toString("base64")}`,
          "content-type": "application/x-www-form-urlencoded"
        },
        body
      })
      const { access_token: token, ...more } = (await answer.json()) as { readonly access_token?: string }
      if (token === undefined) throw new Error(`the provider gave no token: ${JSON.stringify(more)}`)
      given.set(wanted, { token, sinceMs: performance.now() })
      return token
    },
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      })
  }
  return self
}
