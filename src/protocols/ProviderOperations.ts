/** `{instance}.v1.{tenant}.provider.*`: the providers that credentials are refreshed at. Contract 10.2. */
import { Effect } from "effect"
import { type CircuitView, Providers } from "../actors/credentials/Providers.ts"
import type { ProviderFields } from "../domain/Provider.ts"
import type { KnownProvider } from "../domain/ProviderEntry.ts"
import {
  DeletedProvider,
  DescribedProvider,
  ListProviders,
  NameProvider,
  ProviderAnswer,
  ProviderList,
  PutProvider
} from "../schema/ProviderJson.ts"
import { formatDate } from "../schema/Timestamp.ts"
import { operation, Replied } from "./Operation.ts"

/** Of what is secret only how much there is. */
const encodeProvider = ({ entry, origin, provider }: KnownProvider) => ({
  ...provider,
  origin,
  ...(entry === null || entry.clientId === null ? {} : { client_id: entry.clientId }),
  client_secrets: entry?.secrets ?? 0,
  has_client_key: entry?.hasKey ?? false
})

const encodeCircuit = ({ of, state, until }: CircuitView) => ({ of, state, until: formatDate(until) })

export const providerOperations = [
  operation({
    family: "tenant",
    name: "provider.put",
    about: "Defines a provider for the tenant, whole: what is not said has its default, secrets included.",
    request: PutProvider,
    answer: ProviderAnswer,
    statuses: [200, 201],
    errors: ["LIMIT_REACHED"],
    handle: Effect.fnUntraced(function* (request, { caller, tenantId }) {
      const providers = yield* Providers
      const { client_id, client_key, client_secrets, ...definition } = request
      const { created, known } = yield* providers.put(
        tenantId,
        {
          definition: definition as ProviderFields,
          clientId: client_id ?? null,
          secrets: {
            clientSecrets: client_secrets ?? [],
            clientKey: client_key === undefined ? null : JSON.stringify(client_key)
          }
        },
        caller
      )
      return new Replied(created ? 201 : 200, encodeProvider(known))
    })
  }),
  operation({
    family: "tenant",
    name: "provider.get",
    about: "One provider as the tenant has it: its own, else the one of global, else the built-in one.",
    request: NameProvider,
    answer: DescribedProvider,
    errors: ["PROVIDER_NOT_FOUND"],
    handle: Effect.fnUntraced(function* ({ name }, { tenantId }) {
      const providers = yield* Providers
      const known = yield* providers.get(tenantId, name)
      const circuits = yield* providers.circuitsOf(known)
      // Of a provider that others use as well only how it is itself, not who else is known to it.
      const shown = circuits.filter(({ of }) => of === "provider" || known.origin === "tenant")
      return { ...encodeProvider(known), circuits: shown.map(encodeCircuit) }
    })
  }),
  operation({
    family: "tenant",
    name: "provider.list",
    about: "All providers that the tenant's credentials may name, by name.",
    request: ListProviders,
    answer: ProviderList,
    handle: Effect.fnUntraced(function* (_, { tenantId }) {
      const providers = yield* Providers
      return { content: (yield* providers.list(tenantId)).map(encodeProvider) }
    })
  }),
  operation({
    family: "tenant",
    name: "provider.delete",
    about: "Deletes a provider of the tenant, unless a credential names it.",
    request: NameProvider,
    answer: DeletedProvider,
    errors: ["PROVIDER_NOT_FOUND", "PROVIDER_IN_USE"],
    handle: Effect.fnUntraced(function* ({ name }, { caller, tenantId }) {
      const providers = yield* Providers
      return yield* providers.remove(tenantId, name, caller)
    })
  })
]
