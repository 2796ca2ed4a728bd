/** Faults in `src/access`: bearer tokens and scopes. */
import { faultsIn, type Mutant } from "./Mutant.ts"

const unit = "test/unit/access"
const client = "test/integration/access/IssuerClient.test.ts"

export const access: ReadonlyArray<Mutant> = [
  ...faultsIn(
    "src/access/BearerToken.ts",
    { breaks: ["R-ACC-3"], tests: [`${unit}/BearerToken.test.ts`, `${unit}/Verifier.test.ts`] },
    [
      {
        id: "access-token-critical-extension",
        from: "algorithm === undefined || crit !== undefined ||",
        to: "algorithm === undefined || crit === null ||"
      },
      {
        id: "access-token-of-any-type",
        from: "|| !types.includes(typ)) return malformed",
        to: '|| (!types.includes(typ) && typ === "")) return malformed'
      },
      {
        id: "access-token-for-somebody-else",
        from: 'if (!claims.audiences.includes(expected.audience)) return "audience"',
        to: 'if (claims.audiences.length === 0) return "audience"'
      },
      {
        id: "access-token-twice-the-skew",
        from: "expiresAt * 1_000 + skewMs <= nowMs",
        to: "expiresAt * 1_000 + 2 * skewMs <= nowMs"
      },
      { id: "access-token-not-begun", from: "begins * 1_000 > nowMs + skewMs", to: "begins > nowMs + skewMs" },
      {
        id: "access-token-of-any-size",
        from: "token.length > tokenBytesMax ||",
        to: "token.length > 4 * tokenBytesMax ||",
        breaks: ["R-ACC-3", "P6"]
      },
      {
        id: "access-token-of-another-issuer",
        from: 'if (claims.issuer !== expected.issuer) return "issuer"',
        to: 'if (claims.issuer.length !== expected.issuer.length) return "issuer"',
        tests: [`${unit}/BearerToken.test.ts`]
      }
    ]
  ),
  ...faultsIn("src/access/Verifier.ts", { breaks: ["R-ACC-5"], tests: [`${unit}/Verifier.test.ts`] }, [
    {
      id: "access-verifier-key-that-is-gone",
      from: "if (!of.keys.includes(found.key) || hasEnded",
      to: "if (of.keys.length === 0 || hasEnded"
    },
    {
      id: "access-verifier-remembered-past-its-end",
      from: "|| hasEnded(found.ends, now(), skewMs)) return undefined",
      to: "|| hasEnded(found.ends, 0, skewMs)) return undefined"
    },
    {
      id: "access-verifier-everybody-is-the-platform",
      from: 'grantsOf(claims.all, isPlatform ? "platform" : "tenant")',
      to: 'grantsOf(claims.all, isPlatform ? "platform" : "platform")',
      breaks: ["R-ACC-2"]
    },
    {
      id: "access-verifier-ends-are-not-looked-at",
      from: "if (reason !== null) return yield* refuse(reason)",
      to: 'if (reason === "issuer") return yield* refuse(reason)',
      breaks: ["R-ACC-3"]
    },
    {
      id: "access-verifier-remembers-without-bound",
      from: "rememberedBytes <= rememberedBytesMax) return",
      to: "rememberedBytes <= 1_000 * rememberedBytesMax) return",
      breaks: ["R-ACC-5", "P6"]
    },
    {
      id: "access-verifier-bytes-never-given-back",
      from: "rememberedBytes -= remembered.get(hash)?.bytes ?? 0",
      to: "rememberedBytes -= 0 * (remembered.get(hash)?.bytes ?? 0)"
    },
    {
      id: "access-verifier-issued-to-no-client",
      from: "client: claims.client,",
      to: "client: null,",
      breaks: ["R-AUD-1"]
    }
  ]),
  ...faultsIn("src/access/Decision.ts", { breaks: ["R-ACC-2"], tests: [`${unit}/Decision.test.ts`] }, [
    {
      id: "access-decision-tenants-scope-on-the-platform",
      from: 'grants.issuedBy === "platform" && has(grants, kaaSystem, row.scope)',
      to: "has(grants, kaaSystem, row.scope)"
    },
    {
      id: "access-decision-first-place-is-enough",
      from: 'if (decided._tag !== "Allowed") return decided\n  }',
      to: 'if (decided._tag !== "Allowed" || places.length > 1) return decided\n  }',
      breaks: ["R-ACC-2", "R-ACC-7"]
    },
    {
      id: "access-decision-one-application-is-enough",
      from: "appNames.every((appName) => has(",
      to: "appNames.some((appName) => has("
    },
    {
      id: "access-decision-nowhere-is-allowed",
      from: "return !isNowhere(place) && reaches(grants, scope, place)",
      to: "return isNowhere(place) || reaches(grants, scope, place)"
    },
    {
      id: "access-decision-one-kind-is-both",
      from: "if (seen.length === credentialKinds.length) return allowed",
      to: "if (seen.length > 0) return allowed",
      breaks: ["R-ACC-2", "R-CLI-1"]
    },
    {
      id: "access-decision-other-endpoints-events",
      from: "    among.includes(endpointResource(event.endpointId)) ||",
      to: '    among.some((seen) => seen.startsWith(endpointResource(""))) ||',
      breaks: ["R-ACC-7", "R-GWY-6"]
    },
    {
      id: "access-decision-bus-in-place-of-an-issuer",
      from: '    case "without-issuer":\n      return asked.hasIssuer',
      to: '    case "without-issuer":\n      return asked.hasIssuer && asked.namesConsumer'
    }
  ]),
  ...faultsIn("src/access/IssuerKeys.ts", { breaks: ["R-ACC-4"], tests: [`${unit}/Verifier.test.ts`] }, [
    { id: "access-keys-asked-for-each-unknown", from: "      of.unknownAskedAt = now()\n", to: "" },
    {
      id: "access-keys-no-pause-after-failures",
      from: "firstPauseMs * 2 ** Math.min(failures - 1, 16)",
      to: "firstPauseMs * 2 ** Math.min(failures - failures, 16)"
    },
    {
      id: "access-keys-older-than-allowed",
      from: "if (age >= staleMs) return fetchNow(of)",
      to: "if (age >= 1_000 * staleMs) return fetchNow(of)"
    },
    {
      id: "access-keys-one-request-each",
      from: "if (of.fetching !== null) return of.fetching",
      to: "if (of.fetching !== null && of.failures > 1_000) return of.fetching"
    },
    { id: "access-keys-failure-is-no-failure", from: "    of.failures++\n", to: "    of.failures += 0\n" },
    {
      id: "access-keys-issuers-without-bound",
      from: "entries.size <= config.issuersMax && bytes",
      to: "entries.size <= 100 * config.issuersMax && bytes",
      breaks: ["R-ACC-4", "P6"]
    },
    {
      id: "access-keys-fresh-past-the-limit",
      from: "Math.min(Duration.toMillis(config.jwksRefresh), staleMs / 2)",
      to: "Duration.toMillis(config.jwksRefresh)"
    }
  ]),
  ...faultsIn(
    "src/access/KeySet.ts",
    { breaks: ["R-ACC-3", "R-ACC-4"], tests: [`${unit}/Verifier.test.ts`, `${unit}/KeySet.test.ts`] },
    [
      {
        id: "access-set-private-key",
        from: "  d === undefined && (use",
        to: "  (d === undefined || d !== null) && (use"
      },
      {
        id: "access-set-short-modulus",
        from: "jwk.n.length >= modulusLengthMin",
        to: "jwk.n.length >= modulusLengthMin / 2"
      },
      {
        id: "access-set-too-many-keys",
        from: "if (keys.length === keysMax) break",
        to: "if (keys.length === 4 * keysMax) break"
      },
      {
        id: "access-set-key-of-another-name",
        from: "(keyId === null || key.keyId === keyId)",
        to: "(keyId === null || key.keyId !== null)"
      },
      {
        id: "access-set-edwards-key-without-a-point",
        from: 'jwk.crv === "Ed25519" && isText(jwk.x, 128)',
        to: 'jwk.crv === "Ed25519"'
      },
      {
        id: "access-set-key-for-another-use",
        from: '(use === undefined || use === "sig")',
        to: '(use === undefined || use !== "")'
      }
    ]
  ),
  ...faultsIn("src/access/IssuerClient.ts", { breaks: ["R-ACC-6"], tests: [client] }, [
    { id: "access-client-follows-redirects", from: 'redirect: "manual"', to: 'redirect: "follow"' },
    {
      id: "access-client-another-issuers-document",
      from: "if (found.issuer !== issuer) throw",
      to: 'if (found.issuer === "") throw'
    },
    {
      id: "access-client-places-stay-taken",
      from: "              asking--\n",
      to: "              asking -= 0\n",
      breaks: ["R-ACC-4"]
    },
    {
      id: "access-client-names-this-machine",
      survives:
        "an issuer of a test is on this machine itself and may name keys there; the rule is tried without one by `domain-issuer-names-this-machine`",
      from: 'if (!mayNameKeysAt(issuer, found.jwks_uri)) throw away("not_asked")',
      to: 'if (!mayNameKeysAt(issuer, issuer)) throw away("not_asked")'
    }
  ]),
  ...faultsIn("src/access/Scopes.ts", { breaks: ["R-ACC-1"], tests: [`${unit}/Decision.test.ts`] }, [
    {
      id: "access-scopes-secret-for-who-may-look",
      from: '"credential.get": tenant("tenant:credentials:secret:read")',
      to: '"credential.get": credentialsRead'
    },
    { id: "access-scopes-rotate-for-who-may-look", from: '"token.rotate": update', to: '"token.rotate": read' },
    { id: "access-scopes-delete-for-nothing", from: '"token.delete": update', to: '"token.delete": nothing' }
  ])
]
