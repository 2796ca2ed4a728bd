/** Faults at the edges: `src/platform`, `src/gateway`, `src/rotation`, `src/launch`, `nats.conf` and the scripts. */
import { faultsIn, type Mutant } from "./Mutant.ts"

const decisions = "test/unit/platform/decisions.test.ts"
const clients = "test/unit/platform/clients.test.ts"
const guarded = "test/unit/platform/GuardedHttp.test.ts"
const providers = "test/unit/actors/credentials/Providers.test.ts"
const reading = "test/unit/gateway/reading.test.ts"
const http = "test/unit/gateway/Http.test.ts"
const permissions = "test/integration/permissions.test.ts"
const tokenSweep = "test/unit/rotation/TokenSweep.test.ts"

export const edges: ReadonlyArray<Mutant> = [
  ...faultsIn("src/nats/EventPages.ts", { breaks: ["R-GWY-6"], tests: ["test/integration/nats/EventPages.test.ts"] }, [
    {
      id: "nats-pages-away-is-gone",
      from: "catch: () => new EventsUnavailable()",
      to: "catch: () => new PlaceGone() as unknown as EventsUnavailable"
    },
    {
      id: "nats-pages-unanswered-is-asked-again-at-once",
      from: "    if (!complete && messages.length === 0) return yield* new EventsUnavailable()\n",
      to: ""
    },
    {
      id: "nats-pages-place-of-another-stream",
      from: "bornThen !== born || ",
      to: "bornThen === undefined || "
    },
    {
      id: "nats-pages-place-that-never-was",
      from: " || sequence > state.last_seq ||",
      to: " ||"
    },
    {
      id: "nats-pages-first-one-left-is-gone",
      from: "sequence + 1 < state.first_seq",
      to: "sequence < state.first_seq"
    },
    {
      id: "nats-pages-full-one-is-the-last",
      from: "more: messages.length >= count",
      to: "more: messages.length > count"
    },
    {
      id: "nats-pages-place-stays-before-what-is-others",
      from: "last: isBehind ? after : end",
      to: "last: isBehind ? end : after"
    }
  ]),
  ...faultsIn(
    "src/protocols/GatewayOperations.ts",
    { breaks: ["R-GWY-6"], tests: ["test/unit/protocols/eventReads.test.ts"] },
    [{ id: "protocols-gateway-away-is-gone", from: 'error._tag === "PlaceGone" ?', to: 'error._tag !== "PlaceGone" ?' }]
  ),
  ...faultsIn("src/rotation/HeldTurns.ts", { breaks: ["R-REF-15"], tests: ["test/unit/rotation/HeldTurns.test.ts"] }, [
    {
      id: "rotation-turns-provider-that-is-down-is-well",
      from: 'read.kind === "granted" || read.kind === "refused"',
      to: 'read.kind === "granted" || read.kind !== "refused"'
    },
    {
      id: "rotation-turns-clients-circuit-is-the-providers",
      from: 'turn.of === "client" ? "invalid_client" : "provider_down"',
      to: 'turn.of === "client" ? "provider_down" : "invalid_client"'
    },
    {
      id: "rotation-turns-limited-without-a-time",
      from: "read.retryAt === null ? limitedMs : ",
      to: "read.retryAt === null ? 0 : ",
      breaks: ["R-REF-14"]
    },
    {
      id: "rotation-turns-put-back-beyond-its-pick",
      from: "Math.min(retryAfterMs, pickedMs - 1)",
      to: "Math.max(retryAfterMs, pickedMs - 1)",
      breaks: ["R-REF-13"]
    },
    {
      id: "rotation-turns-waited-for-beyond-the-time",
      from: "if (waited + retryAfterMs > turnWaitMs) {",
      to: "if (retryAfterMs > turnWaitMs) {",
      breaks: ["R-REF-13"]
    }
  ]),
  ...faultsIn("src/rotation/Ended.ts", { breaks: ["R-REF-16"], tests: ["test/unit/rotation/HeldTurns.test.ts"] }, [
    {
      id: "rotation-ended-doubt-before-the-end",
      from: "if (refresh.grant.isFinal) return",
      to: "if (refresh.grant.isFinal && refresh.grant.doubtSince === null) return"
    },
    {
      id: "rotation-ended-comes-again-long-ago",
      from: "Math.max(0, nextAttemptAt - now)",
      to: "nextAttemptAt - now"
    }
  ]),
  ...faultsIn("src/platform/decideTenants.ts", { breaks: ["R-PLT-1", "R-PLT-2"], tests: [decisions] }, [
    {
      id: "platform-tenants-missing-on-one-page",
      from: "  if (isWhole) {\n",
      to: "  if (isWhole || listed.length > 0) {\n"
    },
    {
      id: "platform-tenants-ended-begins-anew",
      from: 'if (known.mark !== "named_again" && known.mark !== null) return',
      to: 'if (known.mark !== "named_again" && known.mark === null) return',
      breaks: ["R-PLT-2"]
    },
    {
      id: "platform-tenants-made-without-its-issuer",
      from: 'if (read === "unread") return [tell(decided.tenantId, "issuer_unread")]',
      to: 'if (read === "refused") return [tell(decided.tenantId, "issuer_unread")]',
      breaks: ["R-ACC-8", "R-PLT-1"]
    },
    {
      id: "platform-tenants-issuer-of-another",
      from: "holder !== undefined && holder !== tenantId",
      to: "holder !== undefined && holder === tenantId"
    }
  ]),
  ...faultsIn("src/platform/decideApplications.ts", { breaks: ["R-PLT-3"], tests: [decisions] }, [
    {
      id: "platform-applications-out-by-half-an-answer",
      from: 'if (read.isWhole) decisions.push({ _tag: "TakeOut"',
      to: 'if (read.isWhole || lacks) decisions.push({ _tag: "TakeOut"'
    },
    {
      id: "platform-applications-of-two-tenants",
      from: "return claimants.length === 1\n",
      to: "return claimants.length >= 1\n"
    },
    {
      id: "platform-applications-deleted-by-another",
      from: "if (known.tenantId !== tenantId) return refuse",
      to: 'if (known.tenantId === "") return refuse'
    },
    {
      id: "platform-applications-deleted-comes-back",
      from: '    (known.out === "deleted" && (',
      to: '    (known.out === "deleted" || ('
    },
    {
      id: "platform-applications-deleted-comes-back-by-an-older-upsert",
      from: "(read.only === null && read.configured.has(appName))",
      to: "read.configured.has(appName)",
      breaks: ["R-PLT-12"]
    }
  ]),
  ...faultsIn("src/platform/GuardedHttp.ts", { breaks: ["R-REF-6", "P5"], tests: [guarded] }, [
    {
      id: "platform-guarded-what-came-with-what-broke-it",
      from: "for (let rest = answer.read(); rest !== null; rest = answer.read()) kept.push(rest as Buffer)",
      to: "",
      breaks: ["P7", "R-REF-3"]
    },
    {
      id: "platform-guarded-brace-of-no-parameter",
      from: "  if (/[{}]/u.test(text))",
      to: "  if (/^[{}]/u.test(text))",
      tests: ["test/unit/actors/credentials/Providers.test.ts"]
    },
    {
      id: "platform-guarded-host-of-an-empty-label",
      from: "label.length >= 1 && label.length <= 63",
      to: "label.length >= 0 && label.length <= 63",
      tests: ["test/unit/actors/credentials/Providers.test.ts"]
    },
    {
      id: "platform-guarded-one-public-address-is-enough",
      from: "!addresses.every(isPublicAddress)",
      to: "!addresses.some(isPublicAddress)"
    },
    {
      id: "platform-guarded-asks-the-name-again",
      from: "all === true ? found(null, [{ address, family }]) : found(null, address, family)",
      to: "all === true ? found(null, [{ address: _host, family }]) : found(null, _host, family)"
    },
    {
      id: "platform-guarded-without-tls",
      from: 'if (url.protocol !== "https:") return "is not https"',
      to: 'if (url.protocol === "") return "is not https"'
    },
    {
      id: "platform-guarded-sent-is-not-sent",
      from: "        connected = true\n",
      to: "        connected = false\n",
      breaks: ["P7", "R-REF-1"]
    },
    {
      id: "platform-guarded-name-with-a-user",
      from: 'url.username !== "" || url.password !== ""',
      to: 'url.username !== "" && url.password !== ""'
    },
    {
      id: "platform-guarded-fragment-taken-away",
      from: 'if (text.includes("#")) return "holds a fragment"',
      to: 'if (text.startsWith("#")) return "holds a fragment"',
      tests: [providers]
    },
    {
      id: "platform-guarded-control-character-taken-away",
      from: "/[\\p{Cc}\\s\\\\]/u.test(text)",
      to: "/[ ]/u.test(text)",
      tests: [providers]
    }
  ]),
  ...faultsIn(
    "src/gateway/Server.ts",
    { breaks: ["R-GWY-2"], tests: ["test/integration/gateway/hostile.test.ts#an expectation that nobody knows"] },
    [
      {
        id: "gateway-expectation-of-another-form",
        from: "sendProblem({ message, response, correlationId, broken: null }, given, true)",
        to: "response.writeHead(given.status, everyAnswer(correlationId)).end()"
      }
    ]
  ),
  ...faultsIn("src/platform/PublicAddress.ts", { breaks: ["R-REF-6"], tests: [guarded] }, [
    { id: "platform-address-metadata-service", from: '  ["169.254.0.0", 16],\n', to: "" },
    { id: "platform-address-carrier-range", from: '["100.64.0.0", 10]', to: '["100.64.0.0", 16]' },
    { id: "platform-address-six-to-four", from: '  ["2002::", 16],\n', to: "" },
    { id: "platform-address-relay-anycast", from: '  ["192.88.99.0", 24],\n', to: "" },
    { id: "platform-address-with-a-zone", from: '!address.includes("%") && global', to: "global" }
  ]),
  ...faultsIn(
    "src/platform/HttpJson.ts",
    { breaks: ["R-PLT-5"], tests: ["test/unit/platform/HttpJson.test.ts", clients] },
    [
      {
        id: "platform-json-follows-redirects",
        from: 'redirect: "manual"',
        to: 'redirect: "follow"',
        breaks: ["R-PLT-5", "R-PLT-6"]
      },
      {
        id: "platform-json-refusal-is-tried-again",
        from: "while: (error) => error.isRetryable",
        to: "while: (error) => error.isRetryable || error.detail.length > 0"
      },
      { id: "platform-json-one-try", from: "times: triesMax - 1", to: "times: triesMax - 3" }
    ]
  ),
  ...faultsIn(
    "src/http/BoundedBody.ts",
    { breaks: ["R-PLT-5", "R-REF-6", "R-ACC-6"], tests: ["test/unit/http/BoundedBody.test.ts"] },
    [
      {
        id: "http-body-any-size",
        from: "    if (bytes > bytesMax) throw",
        to: "    if (bytes > 100 * bytesMax) throw"
      },
      {
        id: "http-body-one-byte-less",
        from: "    if (bytes > bytesMax) throw",
        to: "    if (bytes >= bytesMax) throw"
      },
      {
        id: "http-body-announced-size-believed",
        from: "bytes += chunk.byteLength",
        to: "bytes += announced === null ? chunk.byteLength : 0"
      },
      {
        id: "http-body-announced-size-unread",
        from: 'Number(announced ?? "0") > bytesMax',
        to: "Number(announced === null) > bytesMax"
      },
      { id: "http-body-text-repaired", from: "{ fatal: true }", to: "{ fatal: false }", breaks: ["R-INP-1"] }
    ]
  ),
  ...faultsIn("src/platform/ClientCredentials.ts", { breaks: ["R-PLT-6"], tests: [clients] }, [
    {
      id: "platform-own-token-used-to-its-end",
      from: "askedAt + Math.max(lifetime / 2, lifetime - renewBeforeMs)",
      to: "askedAt + Math.max(lifetime / 2, lifetime)"
    },
    {
      id: "platform-own-token-asked-by-each",
      from: "return asking === null ? askFirst() : Deferred.await(asking)",
      to: "return asking === null || present === null ? askFirst() : Deferred.await(asking)"
    },
    {
      id: "platform-own-token-refused-is-kept",
      from: "if (present === old) present = null",
      to: "if (present !== old) present = null"
    },
    {
      id: "platform-own-token-refused-late-takes-the-next",
      from: "if (present === old) present = null",
      to: "present = null"
    },
    {
      id: "platform-own-token-given-up-for-all",
      from: "Exit.hasInterrupts(exit) ? Exit.fail(interrupted) : exit",
      to: "exit"
    }
  ]),
  ...faultsIn("src/platform/SystemClient.ts", { breaks: ["R-PLT-5"], tests: [clients] }, [
    {
      id: "platform-client-anything-is-an-answer",
      from: "    if (answer.status !== 200) {",
      to: "    if (answer.status >= 400) {"
    },
    {
      id: "platform-client-refused-is-final",
      from: 'return yield* failed("Denied", `${what}, status 401`, true)',
      to: 'return yield* failed("Denied", `${what}, status 401`, false)',
      breaks: ["R-PLT-6"]
    }
  ]),
  ...faultsIn("src/platform/Tekton.ts", { breaks: ["R-PLT-3", "R-PLT-5"], tests: [clients] }, [
    {
      id: "platform-tekton-half-a-list",
      from: "      if (names.size === page.totalElements) return Array.from(names)\n",
      to: "      if (names.size > 0 || page.totalElements === 0) return Array.from(names)\n"
    },
    {
      id: "platform-tekton-of-another-instance",
      from: "if (ours === undefined && Object.keys(found).length > 0) return",
      to: "if (ours === undefined && Object.keys(found).length > 1_000) return"
    }
  ]),

  // ---- gateway
  ...faultsIn("src/gateway/RequestHeaders.ts", { breaks: ["R-GWY-4"], tests: [http] }, [
    {
      id: "gateway-headers-any-idempotency-key",
      from: "key !== null && !idempotencyKeyPattern.test(key)",
      to: "key !== null && !printable.test(key)"
    },
    {
      id: "gateway-headers-sent-twice",
      from: 'if (found.has(name)) return Result.fail(invalid(name, "must be sent once"))',
      to: 'if (found.has(name) && name === "") return Result.fail(invalid(name, "must be sent once"))'
    },
    {
      id: "gateway-headers-length-and-chunks",
      from: 'encoding.toLowerCase() !== "chunked" || found.has("content-length")',
      to: 'encoding.toLowerCase() !== "chunked"'
    },
    {
      id: "gateway-headers-of-any-size",
      from: "if (bytes > headerBytesMax) {",
      to: "if (bytes > 100 * headerBytesMax) {"
    },
    {
      id: "gateway-headers-token-of-two-parts",
      from: 'payload === undefined || token?.split(".").length !== 3',
      to: "payload === undefined",
      breaks: ["R-GWY-3"]
    }
  ]),
  ...faultsIn("src/gateway/Target.ts", { breaks: ["R-GWY-4"], tests: [http] }, [
    { id: "gateway-target-hidden-slash", from: "/%(?:2e|2f|5c)/iu", to: "/%(?:2e|5c)/iu" },
    { id: "gateway-target-dots", from: 'if (raw === "." || raw === "..") return', to: 'if (raw === ".") return' },
    {
      id: "gateway-target-control-characters",
      from: "if (/\\p{Cc}/u.test(part)) return",
      to: "if (/^\\p{Cc}$/u.test(part)) return"
    },
    {
      id: "gateway-target-too-many-parameters",
      from: "if (pairs.length > parametersMax)",
      to: "if (pairs.length > 100 * parametersMax)"
    }
  ]),
  ...faultsIn("src/gateway/Parameters.ts", { breaks: ["R-GWY-1", "R-GWY-4"], tests: [http] }, [
    {
      id: "gateway-parameters-refused-by-the-operations-name",
      from: "find(([, of]) => of === field)",
      to: "find(([name]) => name === field)"
    },
    {
      id: "gateway-parameters-given-twice",
      from: 'parameter.kind !== "list" && Object.hasOwn(read, name)',
      to: 'parameter.kind === "list" && Object.hasOwn(read, name)'
    },
    {
      id: "gateway-parameters-value-given-twice",
      from: "before.includes(value.success) ? before : [...before, value.success]",
      to: "[...before, value.success]"
    },
    {
      id: "gateway-parameters-unknown",
      from: "if (parameter === undefined) return Result.fail",
      to: "if (parameter === undefined) continue\n    if (text.length < 0) return Result.fail"
    },
    {
      id: "gateway-parameters-out-of-range",
      from: "return value >= minimum && value <= maximum\n",
      to: "return value >= minimum && value <= maximum + 1\n"
    },
    {
      id: "gateway-parameters-body-over-the-path",
      from: "if (field !== null) request[field] = path[name]",
      to: "if (field !== null) request[field] ??= path[name]",
      breaks: ["R-GWY-1", "R-ACC-7"]
    },
    {
      id: "gateway-parameters-encoded-body",
      from: 'contentEncoding !== null && contentEncoding.trim().toLowerCase() !== "identity"',
      to: 'contentEncoding !== null && contentEncoding.trim().toLowerCase() === "br"'
    },
    {
      id: "gateway-parameters-unknown-field-unnamed",
      from: 'invalid(shownName(name), "is not known here")',
      to: 'invalid("", "is not known here")'
    },
    {
      id: "gateway-parameters-other-charset",
      from: '/^application\\/json[ \\t]*(?:;[ \\t]*(?:charset[ \\t]*=[ \\t]*"?utf-8"?[ \\t]*)?)*$/iu',
      to: "/^application\\/json[ \\t]*(?:;.*)?$/iu"
    }
  ]),
  ...faultsIn("src/gateway/Conditions.ts", { breaks: ["R-GWY-1"], tests: [http] }, [
    { id: "gateway-conditions-two-versions", from: "if (tags.length !== 1) return", to: "if (tags.length < 1) return" },
    {
      id: "gateway-conditions-passed-over-without-versions",
      from: "return isMatched(ifMatch, null) ? Result.succeed(null)",
      to: "return isMatched(ifMatch, null) || row.version === undefined ? Result.succeed(null)",
      tests: [reading]
    },
    {
      id: "gateway-conditions-other-version-than-one",
      from: 'if (ifNoneMatch !== null) return Result.fail(invalid("if-none-match"',
      to: 'if (ifNoneMatch === "") return Result.fail(invalid("if-none-match"',
      tests: [reading]
    },
    {
      id: "gateway-conditions-weak-tag-matches",
      from: ".some((one) => one === tag)",
      to: '.some((one) => one.replace(/^W\\//u, "") === tag)',
      tests: [reading]
    },
    {
      id: "gateway-conditions-any-version",
      from: "Number.isSafeInteger(version) ? Result.succeed(version) : Result.fail(preconditionFailed())",
      to: "Number.isSafeInteger(version) ? Result.succeed(version) : Result.succeed(null)"
    },
    { id: "gateway-conditions-never-known", from: 'one.replace(/^W\\//u, "") === tag', to: "one === `W/${tag}`" }
  ]),
  ...faultsIn("src/gateway/TokenRows.ts", { breaks: ["R-GWY-1"], tests: [reading] }, [
    {
      id: "gateway-tokens-deleted-whatever-if-match-says",
      from: 'parts: { endpointId: null },\n    version: "expectedVersion",\n    errors: ["TOKEN_NOT_FOUND", "NOT_YET_IN_FORCE"]',
      to: 'parts: { endpointId: null },\n    errors: ["TOKEN_NOT_FOUND", "NOT_YET_IN_FORCE"]'
    }
  ]),
  ...faultsIn("src/gateway/Exchange.ts", { breaks: ["R-GWY-4", "P6"], tests: [http] }, [
    { id: "gateway-body-room-stays-taken", from: "      taken -= bytes\n", to: "      taken -= 0 * bytes\n" },
    {
      id: "gateway-body-of-any-size",
      from: "if (bytes + chunk.length > bodyBytesMax) return end",
      to: "if (bytes + chunk.length > 100 * bodyBytesMax) return end"
    }
  ]),
  ...faultsIn("src/gateway/Problem.ts", { breaks: ["R-GWY-2"], tests: [http] }, [
    {
      id: "gateway-problem-of-a-success",
      from: "|| statusCode < 400 || statusCode > 599)",
      to: "|| statusCode > 599)"
    },
    {
      id: "gateway-problem-never-again",
      from: "Math.min(seconds, retryAfterSecondsMax)",
      to: "Math.max(seconds, retryAfterSecondsMax)"
    },
    {
      id: "gateway-problem-without-challenge",
      from: 'status === 401 ? { "WWW-Authenticate"',
      to: 'status === 403 ? { "WWW-Authenticate"'
    }
  ]),
  ...faultsIn("src/gateway/Router.ts", { breaks: ["R-GWY-1"], tests: [http] }, [
    {
      id: "gateway-router-empty-name",
      from: '} else if (part === "") return null\n',
      to: '} else if (part === "{}") return null\n'
    },
    {
      id: "gateway-router-first-row-wins",
      from: "found.find(({ row }) => row.method === method)",
      to: "found.find(({ row }) => row.method.length > 0 && method.length > 0)"
    }
  ]),
  ...faultsIn("src/gateway/EventStream.ts", { breaks: ["R-GWY-6"], tests: ["test/unit/gateway/EventStream.test.ts"] }, [
    {
      id: "gateway-events-end-while-the-stream-is-away",
      from: "status === 503 || status === 429",
      to: "status === 429"
    },
    {
      id: "gateway-events-end-of-too-many-requests",
      from: "status === 503 || status === 429",
      to: "status === 503"
    },
    {
      id: "gateway-events-any-refusal-passes",
      from: "} else if (!passes(page)) {",
      to: "} else if (!passes(page) && page.status < 0) {"
    },
    {
      id: "gateway-events-asked-again-and-again-while-away",
      from: 'if (!("content" in page && page.more)) {',
      to: 'if ("content" in page && !page.more) {'
    },
    {
      id: "gateway-events-wait-for-news-alone",
      from: "Effect.timeoutOption(news.await, heartbeat)",
      to: "Effect.asSome(news.await)"
    },
    {
      id: "gateway-events-heard-of-for-ever",
      from: "(unhear) => Effect.sync(unhear)",
      to: "() => Effect.void"
    },
    {
      id: "gateway-events-place-stays-taken",
      from: "      if (count === 0) perTenant.delete(tenantId)\n      else perTenant.set(tenantId, count)\n",
      to: "      if (count < 0) perTenant.delete(tenantId)\n"
    },
    { id: "gateway-events-one-reader-too-many", from: "if (count >= readersMax) {", to: "if (count > readersMax) {" },
    {
      id: "gateway-events-from-the-beginning-again",
      from: "page = yield* Effect.catch(read(reading, last, ",
      to: "page = yield* Effect.catch(read(reading, reading.after, "
    },
    {
      id: "gateway-events-line-in-an-id",
      from: "if (!linePattern.test(id) || !linePattern.test(type)) return",
      to: "if (!linePattern.test(id)) return"
    }
  ]),

  // ---- rotation
  ...faultsIn(
    "src/actors/tenant/RowsAside.ts",
    {
      breaks: ["R-SEC-30", "R-TOK-4"],
      tests: ["test/unit/actors/tenant/RowsAside.test.ts", "test/integration/service/unreadableRows.test.ts"]
    },
    [
      {
        id: "actors-rows-aside-takes-the-piece-with-it",
        from: "if (ids.length === 1) return putAside",
        to: "if (ids.length >= 1) return putAside"
      },
      {
        id: "actors-rows-aside-for-ever",
        from: "if (until <= now) known.delete(id)",
        to: "if (until <= 0 * now) known.delete(id)"
      }
    ]
  ),
  ...faultsIn(
    "src/store/maria/DatabaseFailure.ts",
    { breaks: ["R-SEC-30"], tests: ["test/integration/service/unreadableRows.test.ts"] },
    [
      {
        id: "store-number-beyond-reading-is-a-database-away",
        from: "45018, 45033, 45050",
        to: "45018, 45033"
      }
    ]
  ),
  ...faultsIn("src/rotation/TokenSweep.ts", { breaks: ["R-SEC-14", "R-TOK-4"], tests: [tokenSweep] }, [
    { id: "rotation-sweep-failing-tenant-stops-all", from: "        leftOut.add(tenantId)\n", to: "" },
    {
      id: "rotation-sweep-piece-one-too-long",
      from: "last.length + ids.length > pieceMax",
      to: "last.length + ids.length > pieceMax + 1"
    },
    {
      id: "rotation-sweep-place-of-many-in-one-piece",
      from: "together.slice(from, from + pieceMax)",
      to: "together.slice(from)"
    },
    {
      id: "rotation-sweep-places-scattered",
      from: "({ place, tokenId }) => place ?? tokenId",
      to: "({ tokenId }) => tokenId"
    },
    {
      id: "rotation-sweep-ends-after-one-page",
      from: "    if (found.length < limit) break\n",
      to: "    if (found.length <= limit) break\n"
    },
    {
      id: "rotation-sweep-without-claim",
      from: "while (yield* claim(sweep.name)) {",
      to: "while ((yield* claim(sweep.name)) || total === 0) {"
    }
  ]),
  ...faultsIn(
    "src/rotation/decideReplay.ts",
    { breaks: ["R-REC-1"], tests: ["test/unit/rotation/decideReplay.test.ts"] },
    [
      {
        id: "rotation-replay-deleted-is-revoked-only",
        from: "rank[end] >= rank[before.end]",
        to: "rank[end] < rank[before.end]"
      },
      { id: "rotation-replay-expired-lives", from: '  "token.expired": "revoked",\n', to: "" },
      {
        id: "rotation-replay-suspension-outlives-its-end",
        from: "const rank = { none: 0, suspended: 0,",
        to: "const rank = { none: -1, suspended: 0,"
      }
    ]
  ),

  ...faultsIn("src/rotation/ReplayEnds.ts", { breaks: ["R-REC-1"], tests: ["test/unit/rotation/ReplayEnds.test.ts"] }, [
    {
      id: "rotation-replay-goes-on-over-a-gap",
      from: "  if (!reachesBack && !restored.acceptGap) return yield* new AnnouncementsLost()\n",
      to: "",
      breaks: ["P1", "R-REC-1"]
    },
    {
      id: "rotation-replay-gap-is-not-told",
      from: "gap_accepted: restored.acceptGap && !reachesBack",
      to: "gap_accepted: restored.acceptGap && reachesBack"
    },
    {
      id: "rotation-replay-stops-at-a-client-of-later",
      from: '  "ClientCredentialNotFound",\n',
      to: ""
    },
    {
      id: "rotation-replay-over-though-a-token-lives",
      from: "        else if (!isMoot(result.failure)) return yield* result.failure\n",
      to: ""
    }
  ]),

  // ---- nats.conf
  ...faultsIn("nats.conf", { breaks: ["R-BUS-8"], tests: [permissions] }, [
    {
      id: "conf-acknowledged-is-not-on-disk",
      from: "  sync_interval: always\n",
      to: "",
      breaks: ["P3", "P2"],
      tests: ["test/unit/ops.test.ts", permissions]
    },
    {
      id: "conf-small-messages",
      from: "max_payload: 8MB\n# Many",
      to: "max_payload: 1MB\n# Many",
      breaks: ["R-BUS-34"],
      tests: ["test/unit/ops.test.ts", permissions]
    },
    {
      id: "conf-admin-reads-secrets",
      from: '            deny: ["cm.v1.*.credential.get", "cm.v1.*.credential.get.>"]',
      to: '            deny: ["cm.v1.*.credential.get"]',
      breaks: ["P5", "R-BUS-8"]
    },
    {
      id: "conf-comms-changes-tokens",
      from: '            "cm.v1.*.token.validate"\n',
      to: '            "cm.v1.*.token.*"\n'
    },
    {
      id: "conf-comms-hears-other-answers",
      from: '"kaa.v1.replica.comms.>", "_INBOX.comms.>"]',
      to: '"kaa.v1.replica.comms.>", "_INBOX.>"]',
      breaks: ["P5", "R-BUS-8"]
    },
    {
      id: "conf-service-deletes-streams",
      from: '            "$JS.API.STREAM.UPDATE.CM_EVENTS"\n',
      to: '            "$JS.API.STREAM.UPDATE.CM_EVENTS"\n            "$JS.API.STREAM.DELETE.CM_EVENTS"\n'
    },
    {
      id: "conf-operator-asks-by-any-subject",
      from: '            "$JS.API.DIRECT.GET.KV_CM_METADATA.$KV.CM_METADATA.*.*"\n',
      to: '            "$JS.API.DIRECT.GET.KV_CM_METADATA.>"\n'
    },
    { id: "conf-service-answers-anybody", from: '            "_INBOX.comms.>"\n', to: '            "_INBOX.>"\n' }
  ]),

  // ---- launch
  ...faultsIn("src/launch/Resolution.ts", { breaks: ["R-RUN-1"], tests: ["test/unit/launch/Resolution.test.ts"] }, [
    {
      id: "launch-resolution-asks-node-for-ours",
      from: 'isOurs && specifier.endsWith(".ts")',
      to: 'isOurs && specifier.endsWith(".mts")'
    },
    {
      id: "launch-resolution-asks-node-for-effect",
      from: 'specifier.endsWith(".js")',
      to: 'specifier.endsWith(".ts")'
    },
    { id: "launch-resolution-forgets-packages", from: "    packages.set(specifier, found)\n", to: "" }
  ]),

  // ---- scripts
  ...faultsIn("scripts/lib/arguments.mjs", { breaks: ["R-RUN-15"], tests: ["test/integration/commands.test.ts"] }, [
    { id: "scripts-arguments-misused-ends-well", from: "process.exit(2)", to: "process.exit(0)" },
    { id: "scripts-arguments-asked-for-help-goes-on", from: "if (help === true) {", to: "if (help === false) {" },
    {
      id: "scripts-arguments-too-many-go-on",
      from: "if (positionals.length > operands.most) misused(",
      to: "if (positionals.length > operands.most + 9) misused("
    },
    {
      id: "scripts-arguments-too-few-go-on",
      from: "if (positionals.length < operands.least) misused(",
      to: "if (positionals.length < operands.least - 1) misused("
    },
    {
      id: "scripts-reset-takes-anything",
      file: "scripts/reset.mjs",
      from: 'argumentsOf(import.meta.filename, { call: "npm run reset" })',
      to: "void argumentsOf"
    }
  ]),
  ...faultsIn("scripts/lib/watchdog.sh", { breaks: ["R-RUN-1"], tests: ["test/integration/watchdog.test.ts"] }, [
    {
      id: "scripts-watchdog-ends-servers-first",
      from: '+) list="$pid:$since $list" ;;',
      to: '+) list="$list $pid:$since" ;;'
    },
    { id: "scripts-watchdog-ends-a-stranger", from: '[ "$2" != Z ] && [ "${21}" = "$1" ]', to: '[ "$2" != Z ]' },
    { id: "scripts-watchdog-forgets-all", from: 'list="$kept"', to: 'list=""' },
    { id: "scripts-watchdog-does-not-kill", from: 'kill -KILL "$pid" 2>/dev/null; fi', to: "true; fi" }
  ]),
  ...faultsIn("scripts/lib/find.mjs", { breaks: ["R-RUN-1"], tests: ["test/unit/find.test.ts"] }, [
    {
      id: "scripts-find-older-server",
      from: "major > lowestMajor || (major === lowestMajor && minor >= lowestMinor)",
      to: "major >= lowestMajor || (major === lowestMajor && minor >= lowestMinor)"
    }
  ])
]
