/** What can be told of a provider's URLs when they are written. What is in their parameters is checked when they are filled in. */
import { type Provider, withoutParameters } from "../../domain/Provider.ts"
import { urlProblem, writtenUrlProblem } from "../../platform/GuardedHttp.ts"

export const urlFault = (
  provider: Provider,
  allowedHosts: ReadonlySet<string>
): { readonly path: string; readonly reason: string } | null => {
  for (const [path, template] of Object.entries({
    token_url: provider.token_url,
    "health.url": provider.health?.url,
    revoke_url: provider.revoke_url
  })) {
    if (typeof template !== "string") continue
    const url = withoutParameters(template)
    // One that is a parameter, or has one in its host, names nobody yet.
    const isOpen = /^\{/u.test(template) || /^[a-z]+:\/\/[^/]*\{/u.test(template)
    const reason = writtenUrlProblem(url) ?? (isOpen ? null : urlProblem(url, { allowedHosts }))
    if (reason !== null) return { path, reason }
  }
  return null
}
