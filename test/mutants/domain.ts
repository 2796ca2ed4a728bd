/** Faults in `src/domain`: what is decided, not by whom. */
import { faultsIn, type Mutant } from "./Mutant.ts"

const unit = "test/unit/domain"
const model = "test/unit/coherence/protocol.test.ts"
const life = `${unit}/TokenLifecycle.test.ts`
const grants = [`${unit}/grantLife/GrantLife.test.ts`, `${unit}/grantLife/GrantLifeRotating.test.ts`]
const answers = `${unit}/ProviderAnswer.test.ts`
const credentials = `${unit}/CredentialLifecycle.test.ts`

export const domain: ReadonlyArray<Mutant> = [
  ...faultsIn(
    "src/domain/Belief.ts",
    { breaks: ["P1", "R-REV-1", "R-REV-4"], tests: [`${unit}/Belief.test.ts`, model] },
    [
      { id: "domain-belief-without-lease", from: "  leaseHolds &&", to: "  (leaseHolds || tombstoneSeq === 0) &&" },
      { id: "domain-belief-older-than-covered", from: "readSeq >= coveredSeq", to: "readSeq >= coveredSeq - 1" },
      { id: "domain-belief-older-than-tombstone", from: "readSeq >= tombstoneSeq", to: "readSeq >= tombstoneSeq - 1" },
      {
        id: "domain-belief-older-than-application",
        from: "readSeq >= applicationEpochSeq",
        to: "readSeq >= applicationEpochSeq - 1"
      },
      { id: "domain-belief-older-than-tenant", from: "readSeq >= tenantEpochSeq", to: "readSeq >= tenantEpochSeq - 1" },
      {
        id: "domain-belief-spent-tombstone-kept",
        from: "tombstoneSeq <= coveredSeq",
        to: "tombstoneSeq < coveredSeq",
        breaks: ["R-REV-7"],
        tests: ["test/unit/actors/validation/Tombstones.test.ts"]
      }
    ]
  ),
  ...faultsIn("src/domain/Token.ts", { breaks: ["R-TOK-4"], tests: [`${unit}/Token.test.ts`, life] }, [
    { id: "domain-token-end-exclusive", from: "end !== null && now >= end", to: "end !== null && now > end" },
    {
      id: "domain-token-later-end",
      from: "return Math.min(expiresAt, overlapEndsAt)",
      to: "return Math.max(expiresAt, overlapEndsAt)",
      breaks: ["R-TOK-5"]
    },
    {
      id: "domain-token-long-hint",
      from: "characters.length >= 12",
      to: "characters.length >= 8",
      breaks: ["R-TOK-6"]
    },
    {
      id: "domain-token-end-told-as-rotation",
      from: " && token.overlapEndsAt !== token.expiresAt",
      to: "",
      breaks: ["R-TOK-2"]
    }
  ]),
  ...faultsIn("src/domain/TokenLifecycle.ts", { breaks: ["R-TOK-1", "R-TOK-2"], tests: [life] }, [
    {
      id: "domain-life-revoked-may-come-back",
      from: "Revoked: []",
      to: 'Revoked: ["Active"]',
      breaks: ["R-TOK-1", "R-CLI-1"]
    },
    {
      id: "domain-life-suspended-ends-sessions",
      from: "isUsable(from) && !isUsable(to)",
      to: "!isUsable(to)",
      breaks: ["R-EVT-3"]
    },
    {
      id: "domain-life-unused-is-unusable",
      from: 'status === "Inactive" || status === "Active"',
      to: 'status === "Active"',
      breaks: ["R-TOK-2", "R-CLI-1"]
    },
    {
      id: "domain-life-suspended-hides-end",
      from: 'token.status === "Revoked" || isPast(token.endsAt, now)',
      to: 'token.status === "Revoked" || (token.status !== "Suspended" && isPast(token.endsAt, now))',
      breaks: ["R-TOK-4"]
    }
  ]),
  ...faultsIn("src/domain/Access.ts", { breaks: ["P5", "R-SEC-5"], tests: [`${unit}/Access.test.ts`] }, [
    {
      id: "domain-access-nobody-is-somebody",
      from: "consumerNames(consumer).some(",
      to: "consumerNames(consumer).every("
    },
    {
      id: "domain-access-one-service-on-is-enough",
      from: "services.some((service) => service.serviceName === serviceName && !service.isActive)",
      to: "services.length > 0 && services.every((service) => service.serviceName === serviceName && !service.isActive)",
      breaks: ["R-SEC-8"]
    },
    {
      id: "domain-access-global-before-tenant",
      from: '? 2 : ownerKey(credential.owner) === "" ? 1 : 0',
      to: '? 1 : ownerKey(credential.owner) === "" ? 2 : 0',
      breaks: ["R-SEC-10"]
    },
    {
      id: "domain-access-one-in-force-is-none",
      from: "inForce.length > 0 ? inForce : found",
      to: "inForce.length > 1 ? inForce : found",
      breaks: ["R-SEC-10"]
    }
  ]),
  ...faultsIn("src/domain/CredentialLifecycle.ts", { breaks: ["R-SEC-8"], tests: [credentials] }, [
    {
      id: "domain-credential-overlap-of-nothing",
      from: 'version.state === "current" && overlapMs > 0',
      to: 'version.state === "current" && overlapMs >= 0'
    },
    { id: "domain-credential-overlap-one-longer", from: "now >= version.validUntil", to: "now > version.validUntil" },
    {
      id: "domain-credential-revoked-keeps-secret",
      from: 'case "current":\n      return to === "revoked" ? { ...version, ...wiped, state: to, reason }',
      to: 'case "current":\n      return to === "revoked" ? { ...version, state: to, reason }'
    },
    {
      id: "domain-credential-overlap-keeps-secret",
      from: '{ ...version, ...wiped, state: to === "revoked" ? "revoked" : "superseded" }',
      to: '{ ...version, state: to === "revoked" ? "revoked" : "superseded" }'
    },
    { id: "domain-credential-notice-again", from: "givenMs <= nearest", to: "givenMs < nearest", breaks: ["R-SEC-9"] },
    {
      id: "domain-credential-notice-late",
      from: "now >= expiresAt - threshold",
      to: "now > expiresAt - threshold",
      breaks: ["R-SEC-9"]
    },
    {
      id: "domain-credential-notice-of-farthest",
      from: "Math.min(...reached)",
      to: "Math.max(...reached)",
      breaks: ["R-SEC-9"]
    },
    {
      id: "domain-credential-second-active",
      from: 'return shownState(active, now) === "expired"\n    ? StoreDecision.ExpireThenInsert',
      to: 'return shownState(active, now) !== "expired"\n    ? StoreDecision.ExpireThenInsert',
      breaks: ["R-SEC-6"]
    }
  ]),
  ...faultsIn("src/domain/GrantLife.ts", { breaks: ["P7", "R-REF-1", "R-REF-2"], tests: grants }, [
    { id: "domain-grant-begins-unsettled", from: "    !unsettled &&\n", to: "    (!unsettled || now > 0) &&\n" },
    {
      id: "domain-grant-begins-with-other-claim",
      from: "state.claim?.term === claim.term",
      to: "state.claim?.term !== undefined"
    },
    {
      id: "domain-grant-older-answer-promoted",
      from: 'if (current.term < term) return "promote"',
      to: 'if (current.term <= term) return "promote"'
    },
    {
      id: "domain-grant-spent-not-marked",
      from: "spends(rules) && outcome.grant !== answer.spent ? answer.spent : null",
      to: "spends(rules) && outcome.grant === answer.spent ? answer.spent : null"
    },
    { id: "domain-grant-final-too-early", from: "(!left && !mayCome)", to: "(!left || !mayCome)" },
    {
      id: "domain-grant-doubt-forgotten",
      from: "inDoubt ? (state.doubtSince ?? answer.claimedAt) : state.doubtSince",
      to: "inDoubt ? state.doubtSince : state.doubtSince"
    },
    {
      id: "domain-grant-begins-with-other-version",
      from: "spendable(holding)?.version === claim.spends",
      to: "spendable(holding) !== undefined"
    },
    {
      id: "domain-grant-before-dropped",
      from: "[holding.current, ...kept].map",
      to: "kept.map"
    },
    {
      id: "domain-grant-put-aside-used-in-doubt",
      from: "chosen === undefined || chosen.aside === true",
      to: "chosen === undefined"
    },
    {
      id: "domain-grant-aside-sleepers-forgotten",
      from: "...(everyOpen.length === 0 ? {} : { asideOpen: everyOpen })",
      to: "...(everyOpen.length === 0 ? { asideOpen: everyOpen } : {})",
      breaks: ["P7", "R-REF-1", "R-REF-2", "R-REF-11"],
      tests: [`${unit}/grantLife/GrantLife.test.ts#each decision`]
    },
    {
      id: "domain-grant-aside-used-while-somebody-sleeps",
      from: "if (asideSince !== null && isDangerous(rules, asideSince, now)) {",
      to: "if (asideSince !== null && isDangerous(rules, asideSince, now) && isLastResort === false) {",
      breaks: ["P7", "R-REF-1", "R-REF-2", "R-REF-11"],
      tests: [`${unit}/grantLife/GrantLife.test.ts#each decision`]
    },
    {
      id: "domain-grant-aside-begins-behind-its-grace",
      from: "      safeUntil(rules, asideSince)\n",
      to: "      Number.MAX_SAFE_INTEGER\n",
      breaks: ["P7", "R-REF-1", "R-REF-11"],
      tests: [`${unit}/grantLife/GrantLife.test.ts#each decision`]
    },
    {
      id: "domain-grant-aside-answered-still-waited-for",
      from: "options.state.asideOpen?.filter((one) => one.term !== term)",
      to: "options.state.asideOpen?.filter((one) => one.term === term)",
      breaks: ["R-REF-11"],
      tests: [`${unit}/grantLife/GrantLife.test.ts#each decision`]
    },
    {
      id: "domain-grant-aside-stored-again-without-its-doubt",
      from: "open: same === undefined ? [] : everyOpen,",
      to: "open: same === undefined ? [] : state.open,",
      breaks: ["P7", "R-REF-11"],
      tests: [`${unit}/grantLife/GrantLife.test.ts#each decision`]
    },
    {
      id: "domain-grant-aside-sleepers-kept-for-good",
      from: "{ asideOpen: stillOpen(state.asideOpen, timing, now) }",
      to: "{ asideOpen: state.asideOpen }",
      breaks: ["R-REF-11"],
      tests: [`${unit}/grantLife/GrantLife.test.ts#each decision`]
    },
    {
      id: "domain-grant-late-one-is-not-put-aside",
      from: "term <= asideUpTo",
      to: "term < asideUpTo"
    },
    {
      id: "domain-grant-copy-stored-puts-its-successor-aside",
      from: "asideUpTo === undefined ? current.byHand : term",
      to: "current.byHand || asideUpTo === undefined ? current.byHand : term"
    },
    {
      id: "domain-grant-nothing-put-aside",
      from: "isAnother && one.grant !== stored.grant ?",
      to: "isAnother && one.grant === stored.grant ?"
    },
    {
      id: "domain-grant-successor-of-aside-unused",
      from: '? "superseded" : "aside"',
      to: '? "aside" : "superseded"',
      breaks: ["P7", "R-REF-1", "R-REF-2", "R-REF-11"]
    },
    {
      id: "domain-grant-aside-before-own",
      from: "successorRefused ? own[0] : undefined",
      to: "successorRefused ? undefined : own[0]",
      breaks: ["P7", "R-REF-1", "R-REF-2", "R-REF-11"]
    },
    {
      id: "domain-grant-late-answer-of-aside-stays-final",
      from: "state.isFinal ? { ...kept, ...again } : kept",
      to: "state.isFinal && again.isFinal ? { ...kept, ...again } : kept",
      breaks: ["P7", "R-REF-2", "R-REF-11"]
    },
    {
      id: "domain-grant-another-claim-given-back",
      from: "state.claim?.term === term ? { ...state, claim: null,",
      to: "state.claim !== null && term > 0 ? { ...state, claim: null,",
      breaks: ["P7", "R-REF-1", "R-REF-2", "R-REF-22"]
    },
    {
      id: "domain-grant-given-back-term-counts-as-begun",
      from: "begunUpTo: state.begunUpTo ?? term - 1",
      to: "begunUpTo: state.begunUpTo ?? term",
      breaks: ["R-REF-22"]
    },
    {
      id: "domain-grant-taken-up-by-whoever-stored",
      from: "former.holding.current.version === stored.version && !former.state.isFinal",
      to: "former.holding.current.version > 0 && !former.state.isFinal",
      breaks: ["P7", "R-REF-24"],
      tests: ["test/unit/rotation/LiveRefresher.test.ts#taken away"]
    },
    {
      id: "domain-grant-claim-taken-from-holder",
      from: "if (claim !== null && now < claim.until) return ClaimDecision.Busy",
      to: "if (claim !== null && now < claim.at) return ClaimDecision.Busy"
    },
    {
      id: "domain-grant-of-another-provider-is-sent",
      from: "...spares.filter(({ of }) => of === undefined)",
      to: "...spares",
      breaks: ["P7", "R-REF-28"],
      tests: [
        "test/unit/rotation/LiveRefresher.test.ts#provider that was named before",
        "test/integration/refresh/otherProvider.test.ts",
        ...grants
      ]
    },
    {
      id: "domain-grant-of-another-provider-is-refused-by-this-one",
      from: "held.refused || (isRefused && isOwn)",
      to: "held.refused || isRefused",
      breaks: ["P7", "R-REF-28"],
      tests: [`${unit}/grantLife/GrantLife.test.ts#another provider is named`]
    },
    {
      id: "domain-grant-of-another-provider-is-let-go",
      from: "(!isOwnedBy(one, of) && !one.spent)",
      to: "(!isOwnedBy(one, of) && one.spent)",
      breaks: ["P7", "R-REF-28"],
      tests: [`${unit}/grantLife/GrantLife.test.ts#another provider is named`]
    },
    {
      id: "domain-grant-unread-never-in-doubt",
      from: "doubtSince: state.doubtSince ?? ended?.at ?? now }",
      to: "doubtSince: state.doubtSince }",
      breaks: ["P7", "R-REF-27"],
      tests: ["test/unit/rotation/LiveRefresher.test.ts#cannot be opened", ...grants]
    },
    {
      id: "domain-grant-unread-stands-in-nobodys-way",
      from: "if (!spends(rules)) return { state: known, putsAside: true }",
      to: "if (now >= 0) return { state: known, putsAside: true }",
      breaks: ["P7", "R-REF-1", "R-REF-2", "R-REF-27"]
    },
    {
      id: "domain-grant-unread-waited-for-though-nothing-was-spent",
      from: "  if (!spends(rules)) return { state: known, putsAside: true }\n",
      to: "",
      breaks: ["P7", "R-REF-27"],
      tests: ["test/unit/rotation/LiveRefresher.test.ts#cannot be opened", ...grants]
    },
    {
      id: "domain-grant-unread-exchange-counts-as-given-back",
      from: "{ ...state, claim: null, begunUpTo: undefined }\n  if",
      to: "{ ...state, claim: null }\n  if",
      breaks: ["R-REF-22", "R-REF-27"]
    }
  ]),
  ...faultsIn("src/domain/ProviderBody.ts", { breaks: ["R-REF-3", "P7"], tests: [answers] }, [
    {
      id: "domain-body-closed-at-a-quote-of-a-text",
      from: 'else if (inText) at += char === "\\\\" ? 1 : 0',
      to: "else if (inText) at += 0"
    },
    {
      id: "domain-body-closed-behind-an-escape",
      from: 'else if (inText) at += char === "\\\\" ? 1 : 0',
      to: 'else if (inText) at += char === "\\\\" ? 2 : 0'
    },
    {
      id: "domain-body-lists-stay-open",
      from: 'else if (char === "}" || char === "]") open.pop()',
      to: 'else if (char === "}") open.pop()'
    },
    {
      id: "domain-body-objects-stay-open",
      from: 'else if (char === "}" || char === "]") open.pop()',
      to: 'else if (char === "]") open.pop()'
    },
    {
      id: "domain-body-braces-in-texts-count",
      from: "if (char === '\"') inText = !inText\n    else if (inText) at",
      to: "if (char === '\"') inText = false\n    else if (inText) at"
    },
    {
      id: "domain-body-closed-from-the-outside",
      from: 'open.toReversed().join("")',
      to: 'open.join("")'
    },
    {
      id: "domain-body-commas-in-texts-count",
      from: 'else if (char === "," && !inText) commaAt = at',
      to: 'else if (char === ",") commaAt = at'
    },
    {
      id: "domain-body-escapes-in-decimal",
      from: "Number.parseInt(four ?? two!, 16)",
      to: "Number.parseInt(four ?? two!, 10)"
    },
    {
      id: "domain-body-any-run-of-blanks-behind-a-name",
      from: "\\\\1\\\\s{0,64}",
      to: "\\\\1\\\\s*",
      breaks: ["R-REF-3"]
    },
    {
      id: "domain-body-any-run-of-blanks-before-a-text",
      from: "(?::|=>?)\\\\s{0,64}",
      to: "(?::|=>?)\\\\s*",
      breaks: ["R-REF-3"]
    },
    {
      id: "domain-body-broken-one-is-let-go",
      from: "return salvaged(body.text, pointers, isKnown) ?? json ?? form",
      to: "return json ?? form"
    },
    {
      id: "domain-body-list-is-let-go",
      from: "if (json !== undefined && (!Array.isArray(json) || at(json, first) !== undefined)) return json",
      to: "if (json !== undefined) return json"
    },
    {
      id: "domain-body-form-without-a-grant-is-enough",
      from: "if (form !== undefined && at(form, first) !== undefined) return form",
      to: "if (form !== undefined) return form"
    },
    {
      id: "domain-body-first-of-several",
      from: 'findLast((one) => one !== "" && !isKnown(String(one)))',
      to: 'find((one) => one !== "")'
    },
    {
      id: "domain-body-part-of-a-name",
      from: "(?<![\\\\w-])",
      to: ""
    },
    { id: "domain-body-escapes-stay", from: ": unescaped(text)", to: ": text" },
    {
      id: "domain-body-number-is-a-grant",
      from: 'if (index === 0 && typeof found !== "string") return undefined',
      to: "if (index === 0 && found === undefined) return undefined"
    },
    {
      id: "domain-body-utf16-is-let-go",
      from: 'body.replaceAll("\\0", "")',
      to: "body"
    }
  ]),
  ...faultsIn("src/domain/ProviderAnswer.ts", { breaks: ["R-REF-3"], tests: [answers] }, [
    {
      id: "domain-answer-new-token-lost-beside-error",
      from: "refreshToken !== null && !sent.includes(refreshToken)",
      to: "refreshToken !== null && !isError && !sent.includes(refreshToken)"
    },
    { id: "domain-answer-not-ok-is-a-grant", from: '  at(body, "/ok") === false ||\n', to: "" },
    { id: "domain-answer-empty-error-is-one", from: ' && at(body, "/error") !== "")', to: ")" },
    {
      id: "domain-answer-retry-in-milliseconds",
      from: "now + Number(text) * 1_000",
      to: "now + Number(text)",
      breaks: ["R-REF-12"]
    },
    {
      id: "domain-answer-503-spends-nothing",
      from: "raw.status === 503 && retryAt !== null",
      to: "raw.status === 503",
      breaks: ["R-REF-12"]
    }
  ]),
  ...faultsIn("src/domain/ProviderRequest.ts", { breaks: ["R-REF-5"], tests: [`${unit}/ProviderRequest.test.ts`] }, [
    {
      id: "domain-request-field-that-nobody-stored",
      from: 'Object.hasOwn(secret, field) ? secret[field]! : ""',
      to: 'secret[field] ?? ""'
    },
    { id: "domain-request-id-not-encoded", from: "basic(formEncoded(id), ", to: "basic(id, " },
    {
      id: "domain-request-secret-not-hidden",
      from: "    client.secret,\n    client.assertion,\n    headers",
      to: "    client.assertion,\n    headers",
      breaks: ["R-REF-4"]
    }
  ]),
  ...faultsIn(
    "src/domain/Provider.ts",
    { breaks: ["R-REF-5"], tests: [`${unit}/ProviderRequest.test.ts`, `${unit}/Refresh.test.ts`] },
    [
      {
        id: "domain-provider-misspelt-parameter-is-taken",
        from: "if (stranger === undefined) return null",
        to: "if (stranger !== undefined) return null",
        tests: ["test/unit/actors/credentials/Providers.test.ts"]
      },
      {
        id: "domain-provider-pattern-anywhere",
        from: "linearPattern(pattern)?.matches(value) !== true",
        to: "linearPattern(pattern) === null"
      },
      {
        id: "domain-provider-any-header",
        from: "/^[\\x21-\\x7e]*$/u.test(accessToken)",
        to: "accessToken.isWellFormed()",
        breaks: ["R-REF-7"],
        tests: ["test/unit/actors/credentials/Providers.test.ts"]
      }
    ]
  ),
  ...faultsIn(
    "src/domain/Names.ts",
    { breaks: ["R-INP-2"], tests: ["test/unit/schema/AvroReader.test.ts", "test/unit/schema/limits.test.ts"] },
    [
      { id: "domain-names-one-character-less", from: "return count <= codePoints", to: "return count < codePoints" },
      {
        id: "domain-names-units-not-characters",
        from: "if (text.length > codePoints * 2) return false",
        to: "if (text.length > codePoints) return false"
      },
      {
        id: "domain-names-kept-in-units",
        from: "        .slice(0, correlationIdLengthMax)\n",
        to: "",
        tests: ["test/unit/protocols/ecap.test.ts#any length"]
      },
      {
        id: "domain-names-half-is-kept-of-a-wide-one",
        from: "id.slice(0, correlationIdLengthMax * 2)",
        to: "id.slice(0, correlationIdLengthMax)",
        tests: [`${unit}/Names.test.ts`]
      },
      {
        id: "domain-names-half-a-character-in-a-token",
        from: "tokenValuePattern.test(text) && text.isWellFormed()",
        to: "tokenValuePattern.test(text)",
        breaks: ["R-INP-3"],
        tests: [`${unit}/Names.test.ts`]
      }
    ]
  ),
  ...faultsIn("src/domain/Issuer.ts", { breaks: ["R-ACC-6"], tests: [`${unit}/Issuer.test.ts`] }, [
    {
      id: "domain-issuer-names-this-machine",
      from: "!isLoopbackAddress(jwksUri) || isLoopbackAddress(issuer)",
      to: "!isLoopbackAddress(jwksUri) || isLoopbackAddress(issuer) || jwksUri.length > 0"
    }
  ]),
  ...faultsIn(
    "src/domain/HttpAddress.ts",
    { breaks: ["R-ACC-6", "R-PLT-6"], tests: [`${unit}/Issuer.test.ts`, "test/unit/platform/clients.test.ts"] },
    [
      {
        id: "domain-address-with-a-user",
        from: 'username !== "" || password !== ""',
        to: 'username !== "" && password !== ""'
      },
      {
        id: "domain-address-without-tls",
        from: "return insecure || loopbackHost.test(hostname)",
        to: "return insecure || !loopbackHost.test(hostname)"
      }
    ]
  ),
  ...faultsIn(
    "src/domain/TenantLimits.ts",
    {
      breaks: ["R-ACT-5"],
      tests: ["test/unit/actors/tenant/Limits.test.ts", "test/unit/actors/validation/LiveValidator.test.ts"]
    },
    [
      {
        id: "domain-limits-bucket-never-empty",
        from: "if (this.left < 1) return false",
        to: "if (this.left < -1_000) return false"
      },
      { id: "domain-limits-a-tenth-of-the-misses", from: "missesPerSecond: 20_000", to: "missesPerSecond: 2_000" },
      { id: "domain-limits-a-tenth-of-the-logins", from: "loginsPerSecond: 200,", to: "loginsPerSecond: 20," },
      {
        id: "domain-limits-bucket-refills-by-milliseconds",
        from: "((nowMs - this.at) * perSecond) / 1_000",
        to: "(nowMs - this.at) * perSecond"
      }
    ]
  ),
  ...faultsIn("src/domain/TokenPopulation.ts", { breaks: ["R-TOK-12"], tests: [`${unit}/TokenPopulation.test.ts`] }, [
    {
      id: "domain-population-next-street-from-its-middle",
      from: "{ street: place.street + 1, after: null }",
      to: "{ street: place.street + 1, after: place.after }"
    },
    {
      id: "domain-population-never-used-is-oldest",
      from: "(token.lastUsedAt ?? token.createdAt) < population.unusedSince",
      to: "(token.lastUsedAt ?? 0) < population.unusedSince"
    },
    {
      id: "domain-population-endpoints-of-any-application",
      from: "applications: street.endpointId === null ? null : population.applications,",
      to: "applications: null,"
    }
  ]),
  ...faultsIn(
    "src/domain/CredentialShape.ts",
    { breaks: ["P6", "R-INP-4"], tests: [`${unit}/CredentialShape.test.ts`] },
    [
      {
        id: "domain-shape-names-weigh-nothing",
        from: "bytes += bytesOf(name) + bytesOf(item as string)",
        to: "bytes += bytesOf(item as string)"
      },
      {
        id: "domain-shape-one-byte-less",
        from: "return bytes > secretBytesMax\n",
        to: "return bytes >= secretBytesMax\n"
      }
    ]
  ),
  ...faultsIn("src/domain/Refresh.ts", { breaks: ["R-REF-12"], tests: [`${unit}/Refresh.test.ts`] }, [
    {
      id: "domain-refresh-health-has-no-time",
      from: "[wantedAt(refresh), refresh.health?.nextAt ?? null]",
      to: "[wantedAt(refresh)]"
    },
    {
      id: "domain-refresh-notice-at-each-renewal",
      from: "end - now <= noticedMs ? noticedMs",
      to: "end - now < noticedMs ? noticedMs"
    }
  ]),
  ...faultsIn("src/domain/ClientCredential.ts", { breaks: ["R-CLI-7"], tests: [`${unit}/ClientCredential.test.ts`] }, [
    {
      id: "domain-client-password-counted-in-characters",
      from: "text.isWellFormed() && byteLength(text) <= passwordBytesMax",
      to: "text.isWellFormed() && byteLength(text) <= 4 * passwordBytesMax"
    }
  ]),
  ...faultsIn(
    "src/domain/PlatformSettings.ts",
    { breaks: ["P6", "R-SEC-30"], tests: ["test/unit/domain/PlatformSettings.test.ts"] },
    [
      {
        id: "domain-stored-token-of-any-length",
        from: "length !== null && !isTokenLength(length)",
        to: "length === undefined"
      }
    ]
  )
]
