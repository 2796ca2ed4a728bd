/** Faults in `src/protocols`: subjects, checks, answers. */
import { faultsIn, type Mutant } from "./Mutant.ts"

const unit = "test/unit/protocols"
const management = `${unit}/management.test.ts`
const caller = `${unit}/busCaller.test.ts`

export const protocols: ReadonlyArray<Mutant> = [
  ...faultsIn(
    "src/protocols/CredentialAnswers.ts",
    { breaks: ["R-ACT-1", "R-BUS-5"], tests: [`${unit}/rememberedAnswers.test.ts`] },
    [
      {
        id: "protocols-answers-all-know-of-rotators",
        from: "encodeRetirePending(credential.retirePending ?? null)",
        to: "encodeRetirePending(credential.retirePending as null)"
      },
      {
        id: "protocols-answers-all-know-of-refreshes",
        from: "encodeRefresh(credential.refresh ?? null)",
        to: "encodeRefresh(credential.refresh as null)"
      }
    ]
  ),
  ...faultsIn(
    "src/protocols/GatewayOperations.ts",
    { breaks: ["R-GWY-6"], tests: ["test/unit/protocols/eventReads.test.ts"] },
    [
      {
        id: "protocols-gateway-events-as-many-as-asked",
        from: "Math.min(limit, eventsAtOnceMax)",
        to: "Math.max(limit, 1)"
      }
    ]
  ),
  ...faultsIn(
    "src/protocols/Responder.ts",
    { breaks: ["R-BUS-3"], tests: ["test/unit/protocols/replySubject.test.ts"] },
    [
      { id: "protocols-plain-reply-to-own-inbox", from: " || beginsWith(subject, own)", to: "" },
      { id: "protocols-plain-reply-to-a-wildcard", from: "byte === star || byte === wildcard || ", to: "" },
      {
        id: "protocols-plain-reply-to-an-empty-token",
        from: "if (byte === dot && before === dot) return false",
        to: ""
      }
    ]
  ),
  ...faultsIn(
    "src/protocols/ClientOperations.ts",
    { breaks: ["R-ACC-1", "R-GWY-9"], tests: ["test/integration/access/bearer.test.ts#lists the kinds of client"] },
    [
      {
        id: "protocols-clients-kind-that-one-may-not-read",
        from: "asked !== null && seen.includes(asked)",
        to: "asked !== null && seen.length > 0"
      }
    ]
  ),
  ...faultsIn("src/protocols/BusAccess.ts", { breaks: ["R-BUS-15", "R-BUS-8"], tests: [caller] }, [
    {
      id: "protocols-bus-longer-name-is-the-consumer",
      from: "(user.startsWith(consumer) && /^[-._@]/u.test(user.slice(consumer.length)))",
      to: "user.startsWith(consumer)",
      breaks: ["P5", "R-SEC-5", "R-BUS-15"]
    },
    {
      id: "protocols-bus-anybody-may-look",
      from: 'family === "tenant" && validations.has(operation)',
      to: 'family === "tenant" && (validations.has(operation) || isReading(operation))'
    },
    { id: "protocols-bus-change-without-a-user", from: "user === null && changes", to: 'user === "" && changes' },
    {
      id: "protocols-bus-gateway-without-bearer",
      from: "account === gatewayAccount && !gatewaysOwn.has(`${family} ${operation}`)",
      to: "account === gatewayAccount && gatewaysOwn.has(`${family} ${operation}`)",
      breaks: ["R-GWY-3", "R-BUS-15"]
    },
    {
      id: "protocols-bus-anybody-asks-as-the-gateway",
      from: 'family !== "gateway" || (bus.by === "import" && bus.account === gatewayAccount)',
      to: 'family !== "gateway" || (bus.by === "import" && bus.account !== "")'
    },
    { id: "protocols-bus-rotate-is-reading", from: '  "history",\n', to: '  "history",\n  "rotate",\n' }
  ]),
  ...faultsIn("src/protocols/BusCaller.ts", { breaks: ["R-BUS-15"], tests: [caller] }, [
    {
      id: "protocols-caller-own-account-by-import",
      from: "|| acc === ownAccount) return nobody",
      to: '|| (acc === ownAccount && acc === "")) return nobody'
    },
    {
      id: "protocols-caller-named-twice",
      from: "said === undefined || more.length > 0 ||",
      to: "said === undefined || more.length > 9 ||"
    },
    {
      id: "protocols-caller-by-any-reply",
      from: "if (message.reply?.startsWith(importedReply) !== true) return bus",
      to: "if (message.reply?.startsWith(importedReply) !== true && message.reply === undefined) return bus"
    }
  ]),
  ...faultsIn("src/protocols/Responder.ts", { breaks: ["R-BUS-3"], tests: [`${unit}/replySubject.test.ts`] }, [
    { id: "protocols-reply-own-inbox", from: "known && !isOwn && isSubject", to: "known && (!isOwn || isSubject)" },
    {
      id: "protocols-reply-with-wildcards",
      from: "!/[*>\\s\\ufffd]|\\.\\.|\\.$/u.test(reply)",
      to: "!/\\s|\\.\\.|\\.$/u.test(reply)"
    },
    {
      id: "protocols-reply-anywhere",
      from: 'const known = reply.startsWith("_INBOX.") ||',
      to: 'const known = reply.startsWith("_INBOX") || reply.startsWith("$") ||'
    },
    {
      id: "protocols-reply-answer-larger-than-a-message",
      from: "?? payloadBytesDefault) - headerBytesMax",
      to: "?? payloadBytesDefault)",
      breaks: ["R-BUS-4"],
      tests: [`${unit}/paging.test.ts`, management]
    }
  ]),
  ...faultsIn("src/protocols/Turns.ts", { breaks: ["R-LIM-3", "P6"], tests: [`${unit}/turns.test.ts`] }, [
    {
      id: "protocols-turns-wait-for-ever",
      from: "one.overdue < waitsMax ||",
      to: "one.overdue < 1e9 ||"
    },
    {
      id: "protocols-turns-held-by-who-waits-aside",
      from: "      if (isAside) end()\n",
      to: ""
    },
    {
      id: "protocols-turns-refuse-what-is-next",
      from: "line.waiting[0] === one && ready.has(line)",
      to: "line.waiting[0] === one && !ready.has(line)"
    },
    {
      id: "protocols-turns-refused-begins-too",
      from: "line.waiting.filter((other) => other !== one)",
      to: "line.waiting.filter((other) => other !== null)"
    },
    {
      id: "protocols-turns-whole-backlog-in-one-go",
      from: "if (spentMs >= sliceMs) break",
      to: "if (spentMs < 0) break",
      tests: [`${unit}/turns.test.ts`, "test/integration/service/fairness.test.ts"]
    },
    {
      id: "protocols-turns-begun-as-they-arrive",
      from: "line.waiting.length === 0 && spentMs < sliceMs && isFree(line)",
      to: "line.waiting.length === 0 && isFree(line)",
      tests: [`${unit}/turns.test.ts`, "test/integration/service/fairness.test.ts"]
    },
    {
      id: "protocols-turns-press-is-nothing",
      from: "pressedUntilMs = nowMs() + pressedMs",
      to: "pressedUntilMs = nowMs()"
    },
    {
      id: "protocols-turns-one-too-many-costs-all",
      from: "const most = line.begun + line.waiting.length - ++line.refused",
      to: "const most = -++line.refused"
    },
    {
      id: "protocols-turns-slow-flood-is-begun-at-once",
      from: " && nowMs() - endedAtMs >= stuckMs)",
      to: ")"
    },
    {
      id: "protocols-turns-late-one-is-looked-at-once",
      from: "isNext(line, one)) return wait()",
      to: "isNext(line, one)) return"
    },
    {
      id: "protocols-turns-told-is-not-forgotten",
      from: "      line.refused--\n",
      to: ""
    },
    {
      id: "protocols-turns-pressed-as-lately",
      from: "? Math.min(line.most, most) : most",
      to: "? most : most"
    },
    {
      id: "protocols-turns-pressed-since-begins",
      from: "isFree(line) ? line.waiting.shift() : undefined",
      to: "line.waiting.shift()"
    },
    { id: "protocols-turns-pressed-waits-for-ever", from: "one.overdue++\n", to: "one.overdue = 0\n" },
    { id: "protocols-turns-place-stays-taken", from: "      line.begun--\n", to: "" },
    { id: "protocols-turns-time-never-comes-back", from: "    spentMs = 0\n", to: "" },
    {
      id: "protocols-turns-one-bug-ends-a-line",
      from: "        } finally {\n          look(line)\n",
      to: "        look(line)\n        } finally {\n"
    }
  ]),
  ...faultsIn("src/protocols/Paging.ts", { breaks: ["R-LIM-3", "P6"], tests: [management] }, [
    {
      id: "protocols-pages-read-in-one-go",
      from: "options.isWhole === true ? options.limit : pieceMax",
      to: "options.limit"
    },
    {
      id: "protocols-pages-written-in-one-go",
      from: "      page.content.length,\n      Pieces.map",
      to: "      0,\n      Pieces.map",
      tests: [`${unit}/paging.test.ts`]
    },
    {
      id: "protocols-pages-reading-recorded-by-the-piece",
      from: "options.isWhole === true ? options.limit : pieceMax",
      to: "pieceMax"
    },
    { id: "protocols-pages-short-one-goes-on", from: " || piece.length < wanted", to: "" },
    { id: "protocols-pages-next-one-begins-late", from: "        next = from\n", to: "" }
  ]),
  ...faultsIn("src/protocols/Places.ts", { breaks: ["R-LIM-2", "P6"], tests: [`${unit}/places.test.ts`] }, [
    {
      id: "protocols-places-validations-beside-management",
      from: "asking.validates ? validation(asking) : management.enter(asking)",
      to: "management.enter(asking)"
    },
    {
      id: "protocols-places-validations-by-the-limit-of-management",
      from: "({ ...asking, tenantMax: validationsPerTenant })",
      to: "asking"
    },
    {
      id: "protocols-places-validations-of-any-size",
      from: "return held > 0 && held + bytes > validationBytesPerTenant",
      to: "return held + bytes > 100 * validationBytesPerTenant"
    },
    {
      id: "protocols-places-large-one-is-never-taken",
      from: "return held > 0 && held + bytes",
      to: "return held + bytes"
    },
    {
      id: "protocols-places-bytes-of-all-without-bound",
      from: "hasItsBytes(asking) || bytesOfAll + bytes > validationBytesMax",
      to: "hasItsBytes(asking)"
    },
    { id: "protocols-places-bytes-stay-taken", from: "      changeBytes(tenant, -bytes)\n", to: "" },
    {
      id: "protocols-places-a-secret-read-can-be-too-large-to-wait",
      file: "src/protocols/CredentialOperations.ts",
      from: "const askBytesMax = waitingBytesMax",
      to: "const askBytesMax = 2 * waitingBytesMax"
    },
    { id: "protocols-places-waiting-keeps-its-first", from: "          first()\n", to: "", breaks: ["R-ACT-2", "P6"] },
    {
      id: "protocols-places-waiting-without-bound",
      from: "tenantMax: waitingPerTenant, asker",
      to: "tenantMax: 1e9, asker"
    },
    {
      id: "protocols-places-large-one-waits-beside",
      from: "          if (asking.bytes > waitingBytesMax) return false\n",
      to: ""
    },
    {
      id: "protocols-places-taken-when-it-is-over",
      from: "if (isOver || leave !== first) return true",
      to: "if (leave !== first) return true",
      breaks: ["R-ACT-2"]
    },
    {
      id: "protocols-places-idle-while-one-waits",
      from: "[management.idle, validations.idle, waiting.idle]",
      to: "[management.idle, validations.idle]",
      breaks: ["R-DUR-2"]
    },
    {
      id: "protocols-places-right-taken-away-later",
      from: "(place.aside() || takesAway ? ",
      to: "(place.aside() ? ",
      breaks: ["R-ACT-3"]
    }
  ]),
  ...faultsIn("src/protocols/Shares.ts", { breaks: ["R-ACT-2"], tests: [`${unit}/shares.test.ts`] }, [
    {
      id: "protocols-shares-idle-while-one-is-taken",
      from: "if (ordinaryCount + keptCount + alwaysCount > 0) return",
      to: "if (ordinaryCount + keptCount - alwaysCount > 0) return",
      breaks: ["R-DUR-2"]
    },
    { id: "protocols-shares-tenants-place-stays-taken", from: "      tenants.add(tenant, -1)\n", to: "" },
    {
      id: "protocols-shares-askers-place-stays-taken",
      from: "if (asker !== null) askers.add(asker, -1)",
      to: "if (asker === null) askers.add(tenant, -1)"
    },
    {
      id: "protocols-shares-kept-place-stays-taken",
      from: "      kept.add(tenant, -1)\n",
      to: "",
      breaks: ["R-ACT-3"]
    },
    {
      id: "protocols-shares-places-for-everything",
      from: "(entering.takesAway ? keptFor(entering) : null)",
      to: "(entering.takesAway ? null : keptFor(entering))",
      breaks: ["R-ACT-3"]
    },
    {
      id: "protocols-shares-one-too-many",
      from: "tenants.of(tenant) >= tenantMax",
      to: "tenants.of(tenant) > tenantMax"
    },
    {
      id: "protocols-shares-full-by-ordinary-places-alone",
      from: "(hasItsShare(entering) || hasItsPart(entering)) && (!entering.takesAway || hasItsKeptPlaces(entering))",
      to: "hasItsShare(entering) || hasItsPart(entering)",
      breaks: ["R-LIM-3", "R-ACT-3"]
    },
    {
      id: "protocols-shares-part-of-few-places-is-no-share",
      from: "hasItsShare(entering) || hasItsPart(entering)",
      to: "hasItsShare(entering)",
      breaks: ["R-LIM-3"]
    },
    { id: "protocols-shares-one-asker-takes-all", from: "const askerPart = 1 / 4", to: "const askerPart = 1" },
    {
      id: "protocols-shares-idle-with-kept-places",
      from: "  const left = () => {\n    if (ordinaryCount + keptCount + alwaysCount > 0) return",
      to: "  const left = () => {\n    if (ordinaryCount + alwaysCount > 0) return",
      breaks: ["R-DUR-2"]
    },
    {
      id: "protocols-shares-always-without-bound",
      from: "if (alwaysCount >= alwaysPlaces) return null",
      to: "if (alwaysCount >= 8 * alwaysPlaces) return null",
      breaks: ["P6"]
    }
  ]),
  ...faultsIn("src/protocols/Management.ts", { breaks: ["R-BUS-4"], tests: [management] }, [
    {
      id: "protocols-management-place-is-not-left",
      from: "      place.leave()\n    }\n",
      to: "    }\n",
      breaks: ["R-ACT-2", "R-DUR-2"],
      tests: [management, `${unit}/shares.test.ts`]
    },
    {
      id: "protocols-management-waited-too-long-keeps-its-place",
      from: "        place.leave()\n        refuse(request, full)\n",
      to: "        refuse(request, full)\n",
      breaks: ["R-LIM-3"]
    },
    {
      id: "protocols-management-refused-keeps-its-message",
      from: "return refuse(request, full, Turns.telling(turns, line))",
      to: "return refuse(request, full, () => turns.told(line))",
      breaks: ["R-LIM-3"],
      tests: [`${management}#told a moment later`]
    },
    {
      id: "protocols-management-pressed-for-others",
      from: "      if (!inFlight.isFull(entering)) return refuse(request, full)\n",
      to: "",
      breaks: ["R-LIM-3"]
    },
    {
      id: "protocols-management-late-refusal-told-at-once",
      from: "if (isOverLimit(exit)) refuse(request, exit)",
      to: "if (isOverLimit(exit)) request.ended(exit)",
      breaks: ["R-LIM-3"]
    },
    {
      id: "protocols-management-astray-without-bound",
      from: "astray.take(astrayPerSecond, ",
      to: "astray.take(1e9, ",
      breaks: ["R-LIM-3"]
    },
    {
      id: "protocols-management-large-ones-refused-at-once",
      from: "bytes: reply.length + correlationId.length,",
      to: "bytes: message.data.length + (message.headers?.toString().length ?? 0),",
      breaks: ["R-LIM-3"]
    },
    {
      id: "protocols-management-revocations-behind-all-else",
      from: "operation.takesAway ? `${tenantId} takes away` : tenantId",
      to: "tenantId",
      breaks: ["R-LIM-3", "R-ACT-3"],
      tests: ["test/integration/service/fairness.test.ts"]
    },
    {
      id: "protocols-management-any-size",
      from: "if (message.data.length > bytesMax) {",
      to: "if (message.data.length > 100 * bytesMax) {",
      breaks: ["R-INP-4", "R-BUS-4"]
    },
    {
      id: "protocols-management-stops-before-answers",
      from: "Effect.andThen(refusals.end, inFlight.idle).pipe(",
      to: "refusals.end.pipe(",
      breaks: ["R-DUR-2"]
    },
    {
      id: "protocols-management-bug-is-told",
      from: "if (Cause.hasDies(cause)) return internal\n",
      to: "if (Cause.hasDies(cause) && cause.reasons.length === 0) return internal\n"
    },
    {
      id: "protocols-management-headers-before-the-body",
      from: "    const refused = headersRefusal(message)\n    if (refused !== null) return Effect.fail(refused)\n",
      to: "    const refused = headersRefusal(message)\n    if (refused !== null && bytesMax < 0) return Effect.fail(refused)\n",
      breaks: ["R-INP-6", "R-INP-2"]
    },
    {
      id: "protocols-management-extra-token-is-ignored",
      from: "(extra !== null && !operation.takesExtra)",
      to: '(extra !== null && operation.takesExtra && extra === "")'
    },
    {
      id: "protocols-management-overdue-says-internal",
      from: "isOverdue && Exit.isFailure(exit) ? overdue() : exit",
      to: "isOverdue && Exit.isSuccess(exit) ? overdue() : exit",
      breaks: ["P10", "R-BUS-10"]
    }
  ]),
  ...faultsIn(
    "src/protocols/RequestHeaders.ts",
    { breaks: ["R-INP-6"], tests: [management, "test/integration/service/headers.test.ts"] },
    [
      {
        id: "protocols-headers-one-spelling",
        from: "spelled.toLowerCase() !== name.toLowerCase()",
        to: "spelled !== name"
      },
      {
        id: "protocols-headers-id-without-joined-characters",
        from: "/^[^\\p{Cc}]{1,256}$/u",
        to: "/^\\P{C}{1,256}$/u",
        tests: [management]
      },
      {
        id: "protocols-headers-first-of-two-traces",
        from: 'parseTraceparent(headerOf(message, "traceparent"))',
        to: 'parseTraceparent(headerValues(message.headers, "traceparent")[0] ?? null)',
        tests: [management]
      },
      {
        id: "protocols-headers-twice-is-once",
        from: "return values.length === 1 ?",
        to: "return values.length <= 2 ?"
      },
      {
        id: "protocols-headers-key-of-any-length",
        from: "return idempotencyKeyPattern.test(key)",
        to: "return idempotencyKeyPattern.test(key.slice(0, 1))",
        breaks: ["R-INP-4"]
      }
    ]
  ),
  ...faultsIn("src/protocols/AdminOperations.ts", { breaks: ["R-AUD-5"], tests: [`${unit}/admin.test.ts`] }, [
    {
      id: "protocols-admin-settings-are-looked-at-untold",
      from: '      yield* tell("config.shown", caller)\n',
      to: ""
    },
    { id: "protocols-admin-stops-untold", from: '      yield* tell("replica.drained", caller)\n', to: "" }
  ]),
  ...faultsIn("src/protocols/Tle.ts", { breaks: ["R-PLT-9"], tests: [`${unit}/events.test.ts`] }, [
    {
      id: "protocols-tle-reads-what-names-no-tenant",
      from: "tenantIdPattern.test(tenantId) ? platform.tenantUpdated(tenantId, at) : Effect.void",
      to: "platform.tenantUpdated(tenantId, at)"
    }
  ]),
  ...faultsIn("src/protocols/Subject.ts", { breaks: ["R-BUS-4", "P6"], tests: [`${unit}/subject.test.ts`] }, [
    {
      id: "protocols-subject-any-tenant",
      from: "if (tenantId === undefined || !tenantIdPattern.test(tenantId)) return",
      to: 'if (tenantId === undefined || (!tenantIdPattern.test(tenantId) && tenantId === "")) return'
    },
    { id: "protocols-subject-more-tokens", from: "|| rest.length > 0) return", to: "|| rest.length > 1) return" },
    {
      id: "protocols-subject-shorter-consumer",
      from: "/^[A-Za-z0-9_-]{1,64}$/u",
      to: "/^[A-Za-z0-9_-]{1,32}$/u",
      breaks: ["R-BUS-4"]
    }
  ]),
  ...faultsIn(
    "src/protocols/EventInbox.ts",
    {
      breaks: ["R-PLT-7", "R-PLT-9"],
      tests: [`${unit}/events.test.ts`, "test/integration/nats/Inbox.test.ts", "test/integration/service/inbox.test.ts"]
    },
    [
      {
        id: "protocols-inbox-given-up-too-late",
        from: "message.deliveries >= deliveriesMax",
        to: "message.deliveries > deliveriesMax",
        breaks: ["R-PLT-9"]
      },
      {
        id: "protocols-inbox-given-up-event-is-not-named",
        from: "correlationId, ...about })",
        to: "correlationId })",
        breaks: ["R-PLT-9"]
      },
      {
        id: "protocols-inbox-not-tried-again",
        from: "while: (error) => isAway(error) && !closing",
        to: "while: (error) => isAway(error) && closing",
        breaks: ["R-PLT-7"]
      },
      {
        id: "protocols-inbox-left-is-done",
        from: 'if (isAway(error)) return Effect.andThen(count("left"), message.later(Duration.zero))',
        to: 'if (isAway(error)) return Effect.andThen(count("left"), done(message))'
      },
      { id: "protocols-inbox-confirmed-once", from: "const confirmations = 3", to: "const confirmations = 1" }
    ]
  ),
  ...faultsIn("src/protocols/PassingEvents.ts", { breaks: ["P6"], tests: [`${unit}/passingEvents.test.ts`] }, [
    {
      id: "protocols-events-bytes-stay-taken",
      from: "          waitingBytes -= bytes\n",
      to: "          waitingBytes -= 0 * bytes\n"
    },
    { id: "protocols-events-bytes-without-bound", from: "waitingBytes + bytes > waitingBytesMax || ", to: "" },
    {
      id: "protocols-events-about-one-thing-in-any-order",
      from: "    if (line !== undefined) return void line.push(one)\n",
      to: "",
      breaks: ["R-PLT-12"]
    },
    {
      id: "protocols-events-about-one-thing-hold-up-others",
      from: "key: kind.keyOf(event), bytes",
      to: 'key: "", bytes'
    },
    {
      id: "protocols-events-with-a-reply",
      from: 'if (message.reply !== undefined && message.reply !== "") return',
      to: 'if (message.reply !== undefined && message.reply === "") return',
      breaks: ["R-BUS-3"],
      tests: [`${unit}/events.test.ts`, `${unit}/passingEvents.test.ts`]
    }
  ]),
  ...faultsIn("src/protocols/Paging.ts", { breaks: ["R-BUS-13"], tests: [`${unit}/paging.test.ts`] }, [
    {
      id: "protocols-paging-cursor-of-another-filter",
      from: "JSON.stringify([options.list, ...options.of])",
      to: "JSON.stringify([options.list, options.of.length])"
    },
    {
      id: "protocols-paging-any-place",
      from: "options.cursor !== undefined && !isPlace",
      to: "options.cursor !== undefined && after === null && !isPlace",
      breaks: ["R-INP-4", "R-BUS-13"]
    },
    {
      id: "protocols-paging-too-large-for-a-message",
      from: "if (piece.length <= 1) return",
      to: "if (piece.length >= 1) return",
      breaks: ["R-BUS-6"],
      tests: [management]
    }
  ]),
  ...faultsIn("src/protocols/ClientAuthentication.ts", { breaks: ["R-CLI-7"], tests: [`${unit}/clients.test.ts`] }, [
    {
      id: "protocols-clients-long-id-is-held",
      from: "refusals.hold(to.bytes + Buffer.byteLength(correlationId), once)",
      to: "refusals.hold(to.bytes + [...correlationId].length, once)",
      breaks: ["P6", "R-INP-2"]
    },
    {
      id: "protocols-clients-place-stays-taken",
      from: "      inFlight.leave()\n",
      to: "",
      breaks: ["R-CLI-7", "R-DUR-2"]
    },
    {
      id: "protocols-clients-long-one-keeps-its-room",
      from: "      long.leave(length)\n      tell(",
      to: "      tell(",
      breaks: ["R-INP-2"]
    },
    {
      id: "protocols-clients-long-ones-wait-without-bound",
      from: "const hasRoom = long.enter(length)",
      to: "const hasRoom = long.enter(0)",
      breaks: ["R-INP-2"]
    },
    {
      id: "protocols-clients-refused-as-fast-as-asked",
      from: "if (answer.statusCode === 429) refusals.hold(",
      to: "if (answer.statusCode < 0) refusals.hold(",
      breaks: ["R-LIM-3"]
    },
    {
      id: "protocols-clients-hot-one-refused-as-fast-as-asked",
      from: "    if (answer.statusCode === 429) {",
      to: "    if (answer.statusCode < 0) {",
      breaks: ["R-LIM-3"]
    },
    {
      id: "protocols-clients-late-one-is-asked",
      from: "envelope.timeout > 0n && BigInt(now) >",
      to: "envelope.timeout > 0n && BigInt(now) < -"
    }
  ]),
  ...faultsIn("src/protocols/Status.ts", { breaks: ["R-RUN-4"], tests: [`${unit}/status.test.ts`] }, [
    {
      id: "protocols-status-key-in-use-without-why",
      from: 'why === undefined ? "The key is in use" : whyKeyInUse[why]',
      to: '"The key is in use"'
    }
  ]),
  ...faultsIn("src/protocols/EcapValidation.ts", { breaks: ["R-DUR-2"], tests: [`${unit}/ecap.test.ts`] }, [
    {
      id: "protocols-ecap-validation-not-taken-is-not-counted",
      from: "    counters.dropped(protocol, why)\n",
      to: "",
      breaks: ["R-BUS-2"]
    },
    {
      id: "protocols-ecap-validation-not-sent-is-not-counted",
      from: '          counters.dropped(protocol, "answer_not_sent")\n',
      to: "",
      breaks: ["R-BUS-2"]
    },
    {
      id: "protocols-ecap-validation-refusal-not-sent-is-not-counted",
      from: 'if (!send(message, bytes)) counters.dropped(protocol, "answer_not_sent")',
      to: "send(message, bytes)",
      breaks: ["R-BUS-2"]
    },
    {
      id: "protocols-ecap-validation-bug-is-the-callers",
      from: 'why === "bug" ? 500 : 400',
      to: 'why === "bug" ? 400 : 500',
      breaks: ["R-BUS-2"]
    },
    {
      id: "protocols-ecap-validation-refusal-goes-anywhere",
      from: '    if (rule(message.reply) !== "allowed") return\n',
      to: "",
      breaks: ["R-BUS-3"]
    },
    {
      id: "protocols-ecap-answer-too-large-is-none",
      from: " && !replies.send(answerable, withoutCorrelationId(bytes))",
      to: "",
      breaks: ["R-INP-2"]
    },
    {
      id: "protocols-ecap-drain-does-not-wait",
      from: "      validator\n        .drained()\n        .then(() => {",
      to: "      Promise.resolve()\n        .then(() => {"
    },
    {
      id: "protocols-ecap-time-of-the-first-turn",
      from: "    turn = null\n",
      to: "",
      breaks: ["R-BUS-7"]
    },
    {
      id: "protocols-ecap-answers-anybody",
      from: 'if (reply !== "allowed") {',
      to: 'if (reply === "missing") {',
      breaks: ["R-BUS-3"],
      tests: [`${unit}/replySubject.test.ts`]
    }
  ]),
  ...faultsIn("src/protocols/Ecap.ts", { breaks: ["R-TOK-2"], tests: [`${unit}/ecap.test.ts`] }, [
    {
      id: "protocols-ecap-not-taken-is-not-counted",
      from: "    counters.dropped(protocol, why)\n",
      to: "",
      breaks: ["R-BUS-2"]
    },
    {
      id: "protocols-ecap-not-sent-is-not-counted",
      from: 'if (!sent) counters.dropped(protocol, "answer_not_sent")',
      to: "void sent",
      breaks: ["R-BUS-2"]
    },
    {
      id: "protocols-ecap-bug-is-the-callers",
      from: 'why === "bug" ? 500 : 400',
      to: 'why === "bug" ? 400 : 500',
      breaks: ["R-BUS-2"]
    },
    {
      id: "protocols-ecap-refusal-goes-anywhere",
      from: '    if (rule(message.reply) !== "allowed") return\n',
      to: "",
      breaks: ["R-BUS-3"]
    },
    {
      id: "protocols-ecap-refusals-are-told-as-bugs",
      from: "Exit.isFailure(exit) && Cause.hasDies(exit.cause)\n",
      to: "Exit.isFailure(exit) && !Cause.hasDies(exit.cause)\n",
      breaks: ["R-BUS-2"]
    },
    {
      id: "protocols-ecap-long-id-is-held",
      from: "refusals.hold(to.bytes + Buffer.byteLength(correlationId), () => {",
      to: "refusals.hold(to.bytes, () => {",
      breaks: ["P6", "R-INP-2"]
    },
    {
      id: "protocols-ecap-long-id-is-counted-in-units",
      from: "refusals.hold(to.bytes + Buffer.byteLength(correlationId), () => {",
      to: "refusals.hold(to.bytes + correlationId.length, () => {",
      breaks: ["P6", "R-INP-2"]
    },
    {
      id: "protocols-ecap-late-transition",
      from: "BigInt(now) > request.timestamp + request.timeout",
      to: "BigInt(now) > request.timestamp + 1_000n * request.timeout"
    },
    { id: "protocols-ecap-negative-time-out", from: " || request.timeout < 0n) {", to: ") {" },
    {
      id: "protocols-ecap-long-id-is-kept",
      from: "const correlationId = keptCorrelationId(request.correlationId)",
      to: "const { correlationId } = request",
      breaks: ["R-INP-2"]
    },
    {
      id: "protocols-ecap-long-one-keeps-its-room",
      from: "      long.leave(length)\n",
      to: "",
      breaks: ["R-INP-2"]
    },
    {
      id: "protocols-ecap-long-ones-wait-without-bound",
      from: "if (!long.enter(length)) {",
      to: "if (!long.enter(0)) {",
      breaks: ["R-INP-2"]
    },
    {
      id: "protocols-ecap-waited-too-long-keeps-its-place",
      from: "        leave()\n        refuse(to, request.correlationId, startedAt)\n",
      to: "        refuse(to, request.correlationId, startedAt)\n",
      breaks: ["R-LIM-3"]
    },
    {
      id: "protocols-ecap-begun-as-they-arrive",
      from: "      turns.press(line)\n",
      to: "",
      breaks: ["R-LIM-3"]
    },
    {
      id: "protocols-ecap-places-for-each-application",
      from: "const tenant = known ?? `unknown, asked by ${principal}`",
      to: "const tenant = request.appName",
      breaks: ["R-LIM-3", "R-ACT-2"]
    },
    {
      id: "protocols-ecap-turn-stays-taken",
      from: "      turns.ended(line)\n",
      to: "",
      breaks: ["R-LIM-3"]
    },
    {
      id: "protocols-ecap-revocations-behind-all-else",
      from: "takesAway ? `${tenant} takes away` : tenant",
      to: "tenant",
      breaks: ["R-LIM-3", "R-ACT-3"]
    },
    {
      id: "protocols-ecap-refusals-left-at-the-end",
      from: "Effect.andThen(refusals.end, inFlight.idle)",
      to: "inFlight.idle",
      breaks: ["R-DUR-2"]
    },
    {
      id: "protocols-ecap-stopping-is-a-bug",
      from: "if (error === null) return plain(503)",
      to: "if (error === null) return plain(500)",
      breaks: ["P10"]
    }
  ]),
  ...faultsIn(
    "src/protocols/Consumers.ts",
    { breaks: ["P5", "R-SEC-5"], tests: [`${unit}/credentials.test.ts`, caller] },
    [
      {
        id: "protocols-consumers-bus-is-a-consumer",
        from: 'case "bus":\n    case "service":\n      return { by: "nothing" }',
        to: 'case "bus":\n    case "service":\n      return { by: "subject", name: principal }'
      },
      {
        id: "protocols-consumers-gateway-is-allowed",
        from: "consumerAccountOf(name) === gatewayAccount",
        to: "consumerAccountOf(name) === `${gatewayAccount}-`"
      }
    ]
  ),
  ...faultsIn(
    "src/protocols/BearerAccess.ts",
    {
      breaks: ["R-ACC-8"],
      tests: ["test/unit/protocols/bearerAccess.test.ts", "test/integration/access/bearer.test.ts"]
    },
    [
      {
        id: "protocols-bearer-issuer-changed-meanwhile",
        from: "sameIssuer(issuer, yield* issuerOf(tenantId))",
        to: "sameIssuer(issuer, issuer)"
      },
      {
        id: "protocols-bearer-client-is-not-told",
        from: "knownByBearer(bus, verified.client)",
        to: "knownByBearer(bus, null)",
        breaks: ["R-AUD-1"]
      },
      {
        id: "protocols-bearer-all-outcomes-in-one-count",
        from: "const name = `${by} ${outcome}`",
        to: "const name = by",
        breaks: ["R-BUS-2"],
        tests: ["test/unit/protocols/bearerAccess.test.ts"]
      },
      {
        id: "protocols-bearer-gateways-own-is-anybodys",
        from: "!mayAskAsGateway(request, gatewayAccount)",
        to: "!mayAskAsGateway(request, gatewayAccount) && authorization === null",
        breaks: ["R-BUS-15"]
      }
    ]
  )
]
