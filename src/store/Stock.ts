/**
 * How much a tenant has that counts against a limit, and what a change makes of it.
 *
 * A token and a client credential count until they are Revoked in their rows, a credential until it is revoked.
 */
import type { ClientCredential } from "../domain/ClientCredential.ts"
import type { Credential } from "../domain/Credential.ts"
import type { Token } from "../domain/Token.ts"
import type { Changes, Loaded } from "./TenantStore.ts"

export interface Stock {
  readonly tokens: number
  readonly credentials: number
  readonly clients: number
}

export const noStock: Stock = { tokens: 0, credentials: 0, clients: 0 }

export const countsAsToken = (token: Pick<Token, "status"> | undefined): boolean =>
  token !== undefined && token.status !== "Revoked"
export const countsAsCredential = (credential: Pick<Credential, "state"> | undefined): boolean =>
  credential !== undefined && credential.state !== "revoked"
export const countsAsClient = (client: Pick<ClientCredential, "status"> | undefined): boolean =>
  client !== undefined && client.status !== "Revoked"

const count = <A>(items: ReadonlyArray<A>, is: (item: A) => boolean): number => items.filter(is).length

export const stockAfter = (stock: Stock, loaded: Loaded, changes: Changes): Stock => {
  const { clients, credentials, tokensDeleted, tokensInserted, tokensUpdated } = changes
  const token = (tokenId: string) => loaded.tokens.get(tokenId)
  const credential = (credentialId: string) => loaded.credentials?.credentials.get(credentialId)
  const client = (credentialId: string) => loaded.clients?.credentials.get(credentialId)
  return {
    tokens: Math.max(
      0,
      stock.tokens +
        count([...tokensInserted, ...tokensUpdated], countsAsToken) -
        count(tokensUpdated, ({ tokenId }) => countsAsToken(token(tokenId))) -
        count(tokensDeleted, (tokenId) => countsAsToken(token(tokenId)))
    ),
    credentials: Math.max(
      0,
      stock.credentials +
        count([...(credentials?.inserted ?? []), ...(credentials?.updated ?? [])], countsAsCredential) -
        count(credentials?.updated ?? [], ({ credentialId }) => countsAsCredential(credential(credentialId))) -
        count(credentials?.deleted ?? [], (credentialId) => countsAsCredential(credential(credentialId)))
    ),
    clients: Math.max(
      0,
      stock.clients +
        count([...(clients?.inserted ?? []), ...(clients?.updated ?? [])], countsAsClient) -
        count(clients?.updated ?? [], ({ credentialId }) => countsAsClient(client(credentialId))) -
        count(clients?.deleted ?? [], (credentialId) => countsAsClient(client(credentialId)))
    )
  }
}
