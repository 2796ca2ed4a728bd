/** Faults in what surrounds the actors: `src/outbox`, `src/nats`, `src/cache`, `src/observability`, `src/launch`. */
import { faultsIn, type Mutant } from "./Mutant.ts"

const relay = "test/unit/outbox/OutboxRelay.test.ts"
const chain = "test/unit/outbox/Chain.test.ts"
const log = "test/unit/outbox/EventLog.test.ts"
const direct = "test/unit/nats/DirectGet.test.ts"

export const around: ReadonlyArray<Mutant> = [
  ...faultsIn("src/outbox/RelayTerm.ts", { breaks: ["P3", "R-EVT-1"], tests: [relay] }, [
    {
      id: "outbox-term-refused-once-more",
      from: "return count >= refusalsMax",
      to: "return count > refusalsMax",
      breaks: ["R-EVT-4"]
    },
    {
      id: "outbox-term-found-is-sent-again",
      from: "const rest = found.length === 0 ? rows : rows.filter(({ eventId }) => !inStream.has(eventId))",
      to: "const rest = rows"
    },
    {
      id: "outbox-term-foreign-row-leaves",
      from: "const rows = without(seen, foreign)",
      to: "const rows = seen",
      breaks: ["R-EVT-5"]
    },
    {
      id: "outbox-term-position-before-the-end-is-known",
      survives:
        "what is saved then is an end that was known before: who begins there reads more of the stream, and not less. A second fence",
      from: "if (unread.has(kind) || saved.get(kind) === end) continue",
      to: "if (saved.get(kind) === end) continue"
    },
    {
      id: "outbox-term-position-while-unmarked",
      from: "if (inStream.size > 0 || now - savedAt",
      to: "if (now - savedAt"
    },
    {
      id: "outbox-term-first-look-of-any-size",
      breaks: ["P6"],
      tests: ["test/unit/outbox/RelayTerm.test.ts"],
      from: "let page = batchMax",
      to: "let page = pieceMax"
    },
    {
      id: "outbox-term-page-shows-what-is-marked",
      from: "onTheWay.size === 0 ? seen : seen.filter(({ id }) => !onTheWay.has(id))",
      to: "onTheWay.size < 0 ? [] : seen"
    },
    {
      id: "outbox-term-found-is-marked-late",
      tests: ["test/unit/outbox/RelayTerm.test.ts"],
      from: "      yield* mark(found)\n",
      to: "      marking = yield* Effect.forkChild(mark(found))\n"
    },
    {
      id: "outbox-term-piece-of-any-time",
      tests: ["test/unit/outbox/RelayTerm.test.ts"],
      from: "const until = monotonicMs() + pieceMaxMs",
      to: "const until = monotonicMs() + 1_000 * pieceMaxMs"
    },
    {
      id: "outbox-term-waves-of-any-time",
      tests: ["test/unit/outbox/RelayTerm.test.ts"],
      from: "if (sent.length + refused.length > 0 && monotonicMs() >= until)",
      to: "if (sent.length < 0)"
    },
    {
      id: "outbox-term-refused-ones-of-any-time",
      tests: ["test/unit/outbox/RelayTerm.test.ts"],
      breaks: ["P10", "R-LIM-5"],
      from: "if (sent.length + refused.length > 0 && monotonicMs() >= until)",
      to: "if (sent.length > 0 && monotonicMs() >= until)"
    },
    {
      id: "outbox-term-refused-ones-before-the-others",
      tests: ["test/unit/outbox/RelayTerm.test.ts"],
      breaks: ["P10"],
      from: "const chosen = refusedLast(without(candidates, forged))",
      to: "const chosen = without(candidates, forged)"
    },
    {
      id: "outbox-term-one-piece-more",
      tests: ["test/unit/outbox/RelayTerm.test.ts"],
      from: "published.isPlain && isInTime)",
      to: "published.isPlain)"
    },
    {
      id: "outbox-term-cut-is-not-left",
      tests: ["test/unit/outbox/RelayTerm.test.ts"],
      from: "const isLeft = isCut || done < chosen.length",
      to: "const isLeft = done < chosen.length"
    },
    {
      id: "outbox-term-page-read-before-the-last-is-marked",
      from: "Effect.andThen(awaited(marking), outbox.unsent(nextLimit))",
      to: "Effect.andThen(Effect.void, outbox.unsent(nextLimit))"
    },
    {
      id: "outbox-term-on-behind-what-did-not-go",
      from: "const isPlain = appended.sent.length === piece.length && unread.size === 0",
      to: "const isPlain = appended.trouble === null"
    },
    {
      id: "outbox-term-refused-entity-goes-on",
      from: "          stopped.add(entityOf(concluded.refused.row))\n",
      to: "",
      breaks: ["R-EVT-4", "R-EVT-1"]
    },
    {
      id: "outbox-term-set-aside-is-told-of-itself",
      from: "piece.filter(({ row }) => isTold(row))",
      to: "piece.filter(({ row }) => isTold(row) || row.id > 0)",
      breaks: ["R-EVT-4"]
    }
  ]),
  ...faultsIn("src/outbox/Chain.ts", { breaks: ["P3", "R-EVT-1"], tests: [chain, relay] }, [
    {
      id: "outbox-chain-held-tenant-goes-on",
      from: "if (row.held) heldTenants.add(row.tenantId)",
      to: "if (row.held && restsAWhile(row)) heldTenants.add(row.tenantId)",
      breaks: ["R-EVT-2"]
    },
    {
      id: "outbox-chain-resting-entity-goes-on",
      from: "if (restsAWhile(row)) restingEntities.add(entityOf(row))",
      to: "if (restsAWhile(row)) restingEntities.add(row.tenantId)",
      breaks: ["R-EVT-4"]
    },
    { id: "outbox-chain-one-wave", from: "counts.set(entity, count + 1)", to: "counts.set(entity, count)" },
    {
      id: "outbox-chain-duplicate-is-not-sent",
      from: "        duplicates++\n        sent.push(row)",
      to: "        duplicates++"
    },
    {
      id: "outbox-chain-sequence-with-a-gap",
      from: "if (outcome.sequence === newest + 1) newest++",
      to: "if (outcome.sequence > newest) newest++"
    },
    { id: "outbox-chain-one-entity-for-all-tenants", from: "`${row.tenantId}/${row.entityKey}`", to: "row.entityKey" }
  ]),
  ...faultsIn(
    "src/outbox/NatsEventLog.ts",
    { breaks: ["P3", "R-EVT-1"], tests: ["test/integration/outbox/NatsEventLog.test.ts"] },
    [
      {
        id: "outbox-log-unsent-are-forgotten",
        tests: ["test/unit/outbox/RelayTerm.test.ts"],
        from: "outcomes.push(isPlain ? Outcome.Unsent() : Outcome.Misplaced())",
        to: "outcomes.push(isPlain ? Outcome.Unsent() : Outcome.Duplicate({ sequence: last }))"
      },
      {
        id: "outbox-log-refused-are-unsent",
        tests: ["test/unit/outbox/RelayTerm.test.ts"],
        from: "outcomes.push(isPlain ? Outcome.Unsent() : Outcome.Misplaced())",
        to: "outcomes.push(Outcome.Unsent())"
      },
      {
        id: "outbox-log-restored-stream-is-not-read",
        from: "Math.max(after > state.last_seq ? 0 : after, state.first_seq - 1)",
        to: "Math.max(after, state.first_seq - 1)"
      }
    ]
  ),
  ...faultsIn("src/outbox/EventLog.ts", { breaks: ["P3", "R-EVT-1"], tests: [log] }, [
    { id: "outbox-log-in-memory-knows-no-time", from: "          if (isOver()) break\n", to: "" },
    {
      id: "outbox-log-in-memory-sends-no-first-behind-its-time",
      from: "outcomes.length > 0 && Number(",
      to: "Number("
    },
    {
      id: "outbox-log-in-memory-refused-are-unsent",
      from: "outcomes.push(isPlain ? Outcome.Unsent() : Outcome.Misplaced())",
      to: "outcomes.push(Outcome.Unsent())"
    }
  ]),
  ...faultsIn("src/outbox/OwnEvent.ts", { breaks: ["R-EVT-5"], tests: [relay] }, [
    { id: "outbox-own-any-header", from: "/^(?:ce-[a-z]{1,32}|content-type)$/u", to: "/^[a-zA-Z-]{1,64}$/u" },
    {
      id: "outbox-own-any-tenant",
      from: "return [`${instance}.events.v1.${row.tenantId}.${type}`]",
      to: "return [row.subject.startsWith(instance) ? row.subject : type]"
    },
    { id: "outbox-own-header-with-a-line", from: " || unfitValuePattern.test(value)", to: "" }
  ]),
  ...faultsIn(
    "src/outbox/PendingBarriers.ts",
    { breaks: ["R-REV-9", "R-SEC-30"], tests: ["test/unit/outbox/PendingBarriers.test.ts"] },
    [
      {
        id: "outbox-pending-limits-are-believed",
        from: '(target.kind === "settings" ? { kind: "settings" } : target)',
        to: "target"
      },
      {
        id: "outbox-pending-of-nothing-is-nothing",
        from: "targets.length === 0 || ",
        to: ""
      },
      {
        id: "outbox-pending-longer-than-a-message-may-be",
        from: " || targets.some(isTooLong)",
        to: "",
        breaks: ["P1", "R-SEC-30"]
      }
    ]
  ),
  ...faultsIn("src/outbox/Pace.ts", { breaks: ["P6"], tests: ["test/unit/outbox/Pace.test.ts"] }, [
    { id: "outbox-pace-half-of-the-thread", from: "const shareMax = 0.2", to: "const shareMax = 0.5" },
    { id: "outbox-pace-slow-alone", from: "busy < busyMin || cpuMs - ownMs < othersMin * cpuMs", to: "busy < busyMin" },
    { id: "outbox-pace-slow-with-time-left", from: "busy < busyMin || ", to: "" },
    { id: "outbox-pace-of-late-events", from: "if (ageMs !== null && ageMs > ageMaxMs) return 0", to: "void ageMs" },
    {
      id: "outbox-pace-age-not-told",
      from: "oldestAt === null ? null : ageOf(oldestAt)",
      to: "ageOf(0) === 0 ? 0 : null"
    },
    {
      id: "outbox-term-reads-again-what-it-cannot-send",
      file: "src/outbox/RelayTerm.ts",
      from: "published.isLate ? Math.max(pieceMax, pageOfTime / 2)",
      to: "published.isLate ? pageOfTime",
      breaks: ["R-LIM-5"],
      tests: ["test/unit/outbox/RelayTerm.test.ts"]
    },
    {
      id: "outbox-term-pages-stay-small",
      file: "src/outbox/RelayTerm.ts",
      from: "Math.min(pageMax, pageOfTime * 2)",
      to: "pageOfTime",
      breaks: ["R-LIM-5"],
      tests: ["test/unit/outbox/RelayTerm.test.ts"]
    },
    {
      id: "outbox-term-short-one-sends-for-a-second",
      file: "src/outbox/RelayTerm.ts",
      from: "Math.min(pieceMs, ttlMs * pieceOfTerm)",
      to: "pieceMs",
      breaks: ["R-LIM-5"],
      tests: ["test/unit/outbox/RelayTerm.test.ts"]
    },
    {
      id: "outbox-relay-counts-seldom-what-failed",
      file: "src/outbox/OutboxRelay.ts",
      from: "isCounted ? Math.min",
      to: "isCounted !== null ? Math.min",
      breaks: ["R-LIM-5"],
      tests: [relay]
    },
    {
      id: "outbox-relay-counts-all-the-time",
      file: "src/outbox/OutboxRelay.ts",
      from: "Math.min(measureSeldomMs, (monotonicMs() - began) / measureShare)",
      to: "0",
      breaks: ["R-LIM-5"],
      tests: [relay]
    },
    {
      id: "outbox-pace-not-kept",
      file: "src/outbox/RelayTerm.ts",
      from: "      yield* pace(appended.sent.length, piece[0]?.createdAt ?? null)\n",
      to: ""
    }
  ]),
  ...faultsIn("src/outbox/OutboxRelay.ts", { breaks: ["P3", "R-EVT-1"], tests: [relay] }, [
    {
      id: "outbox-relay-renews-when-it-is-over",
      from: "if (now - claimedAt < ttlMs / 3) return held",
      to: "if (now - claimedAt < ttlMs) return held",
      tests: [`${relay}#renews its term`]
    },
    {
      id: "outbox-relay-lost-term-goes-on",
      from: "TermLost: () => Effect.andThen(stepDown,",
      to: "TermLost: () => Effect.andThen(Effect.void,",
      breaks: ["P3", "R-EVT-1"]
    },
    {
      id: "outbox-relay-orphans-wait-for-ever",
      from: "if ((yield* PendingBarriers.putOrphansInForce(orphanedAgeMs)) > 0)",
      to: "if ((yield* PendingBarriers.putOrphansInForce(1_000 * orphanedAgeMs)) > 0)",
      breaks: ["R-EVT-1", "R-REV-6"]
    },
    {
      id: "outbox-relay-term-kept-at-the-end",
      from: "          Effect.andThen(outbox.releaseTerm(process)),\n",
      to: "",
      breaks: ["P10"]
    }
  ]),
  ...faultsIn("src/outbox/BlockedEvent.ts", { breaks: ["R-EVT-4"], tests: [relay, log] }, [
    {
      id: "outbox-blocked-another-id-each-time",
      from: "`${blockedType}/${row.id}/${row.eventId}`",
      to: "`${blockedType}/${now}/${row.eventId}`"
    },
    {
      id: "outbox-blocked-tells-itself",
      from: 'row.headers["ce-type"] !== blockedType',
      to: 'row.headers["ce-type"] !== undefined'
    }
  ]),
  ...faultsIn(
    "src/nats/Door.ts",
    { breaks: ["R-BUS-30"], tests: ["test/unit/nats/Door.test.ts", "test/integration/nats/Door.test.ts"] },
    [
      {
        id: "nats-door-throws-into-the-library",
        from: "      failed(bug)\n      if (!isLast",
        to: "      if (isLast) throw bug\n      failed(bug)\n      if (!isLast"
      },
      {
        id: "nats-door-rejection-unhandled",
        from: "if (returned instanceof Promise) returned.catch(failed)",
        to: "if (returned instanceof Promise) returned.then(failed)"
      },
      {
        id: "nats-door-any-number-of-lines",
        from: "if (++lines > linesMax + 2) return false",
        to: "if (++lines > 1_000 * linesMax) return false"
      },
      {
        id: "nats-door-headers-of-any-size",
        from: "if (bytes > headerBytesMax) return false",
        to: "if (bytes > 1_000 * headerBytesMax) return false"
      },
      {
        id: "nats-door-lines-are-the-librarys",
        from: "    MessageLine.mend(protocol)\n",
        to: "    void MessageLine\n",
        tests: ["test/integration/nats/Door.test.ts", "test/integration/service/headers.test.ts"]
      },
      {
        id: "nats-door-library-is-not-hardened",
        from: "      } catch (bug) {\n        failed(bug)\n      }\n    }\n    const subscribe",
        to: "      } catch (bug) {\n        throw bug\n      }\n    }\n    const subscribe"
      }
    ]
  ),
  ...faultsIn(
    "src/nats/NatsConnection.ts",
    { breaks: ["R-BUS-30"], tests: ["test/integration/nats/NatsConnection.test.ts"] },
    [
      {
        id: "nats-connection-every-error-is-a-line",
        from: 'if (status.type === "error") refusals.tellUnsafe(line)',
        to: 'if (status.type === "ping") refusals.tellUnsafe(line)'
      }
    ]
  ),
  ...faultsIn("src/nats/MessageLine.ts", { breaks: ["R-BUS-30"], tests: ["test/integration/nats/Door.test.ts"] }, [
    {
      id: "nats-line-words-end-at-a-carriage-return",
      from: "if (line[at] !== blank) continue",
      to: "if (line[at] !== blank && line[at] !== 0x0d) continue"
    },
    { id: "nats-line-of-six-words", from: "named < 2 || named > 3 ?", to: "named < 2 ?" },
    { id: "nats-line-headers-longer-than-all", from: "size < headerSize ||", to: "size < 0 ||" },
    {
      id: "nats-line-in-two-reads-is-the-librarys",
      from: "if (this.state !== inLine) return",
      to: "if (this.state !== inLine || this.as > -1) return"
    }
  ]),
  ...faultsIn("src/nats/Answers.ts", { breaks: ["R-BUS-3", "P10"], tests: ["test/unit/nats/Answers.test.ts"] }, [
    {
      id: "nats-answers-stay-where-they-are",
      from: "      queueMicrotask(this.onTurnEnd)\n",
      to: ""
    },
    {
      id: "nats-answers-refused-is-told-as-sent",
      from: 'if (lines.put(subject, "", named, "", payload) !== null) return false',
      to: 'if (lines.put(subject, "", named, "", payload) !== null) return true',
      breaks: ["R-BUS-1"]
    }
  ]),
  ...faultsIn("src/nats/PublishLines.ts", { breaks: ["R-BUS-3"], tests: ["test/unit/nats/Answers.test.ts"] }, [
    {
      id: "nats-answers-ask-for-an-answer",
      from: 'reply === "" ? subject',
      to: 'reply === "-" ? subject'
    },
    {
      id: "nats-answers-are-kept",
      from: "    slab.fill(0, 0, used)\n",
      to: "",
      breaks: ["P5"]
    },
    {
      id: "nats-answers-are-written-over",
      from: "      this.renew(nothing)\n      return",
      to: "      this.renew(slab)\n      return",
      breaks: ["R-BUS-1", "P5"]
    },
    {
      id: "nats-answers-wait-in-memory-for-a-turn",
      from: "used > slab.length / 2 || slab.length > this.slabBytes",
      to: "used > 0",
      breaks: ["P6", "P10"]
    }
  ]),
  ...faultsIn("src/nats/Replies.ts", { breaks: ["R-TOK-2", "P10"], tests: ["test/unit/nats/Replies.test.ts"] }, [
    {
      id: "nats-replies-memory-is-written-again",
      from: "    this.slab = Buffer.allocUnsafeSlow(slabBytes)\n    this.given = 0",
      to: "    this.given = 0"
    },
    {
      id: "nats-replies-later-one-keeps-what-was-read",
      from: "new Uint8Array(read)",
      to: "read.slice()",
      breaks: ["R-LIM-3"]
    },
    { id: "nats-replies-leave-at-the-end-of-the-turn", from: "    this.protocol?.flushPending?.()\n", to: "" },
    { id: "nats-replies-are-sent-twice", from: "    this.given = used\n", to: "" },
    {
      id: "nats-replies-length-of-ten-has-a-digit",
      from: "let left = value; left >= 10;",
      to: "let left = value; left > 10;"
    },
    { id: "nats-replies-closed-is-told-as-sent", from: "    if (protocol.isClosed()) return false\n", to: "" },
    {
      id: "nats-replies-long-one-is-cut-by-nobody",
      from: " || payload.length > payloadBytesMax",
      to: "",
      breaks: ["R-BUS-1"]
    }
  ]),
  ...faultsIn(
    "src/nats/DirectGet.ts",
    { breaks: ["P1", "R-BUS-36"], tests: ["test/integration/nats/DirectGet.test.ts"] },
    [
      { id: "nats-direct-questions-are-counted", from: "drawNumber()", to: "waiting.size" },
      {
        id: "nats-direct-nobody-asked-is-a-message",
        file: "src/nats/storedMessage.ts",
        from: '"Nats-Sequence"',
        to: '"Nats-Subject"',
        breaks: ["P10", "R-BUS-36"],
        tests: ["test/unit/coherence/LeaseBucket.test.ts"]
      },
      {
        id: "nats-direct-end-is-no-end",
        from: "if (code === 404) return { complete: last === 0 }",
        to: "if (code === 404) return { complete: false }",
        breaks: ["P4"]
      },
      {
        id: "nats-direct-unread-in-the-middle",
        from: "complete: last === 0",
        to: "complete: true",
        breaks: ["P1"],
        tests: [direct]
      },
      {
        id: "nats-direct-end-behind-what-is-lost",
        from: "complete: isNextAfter(msg, last)",
        to: "complete: true",
        breaks: ["P1"],
        tests: [direct]
      },
      {
        id: "nats-direct-message-behind-what-is-lost",
        from: " || !isNextAfter(msg, last) ?",
        to: " ?",
        breaks: ["P1"],
        tests: [direct]
      },
      {
        id: "nats-direct-one-that-a-message-says-it-follows",
        file: "src/nats/storedMessage.ts",
        from: 'msg.headers?.last("Nats-Last-Sequence")',
        to: 'msg.headers?.get("Nats-Last-Sequence")',
        breaks: ["P1"],
        tests: [direct]
      }
    ]
  ),
  ...faultsIn(
    "src/nats/AckInbox.ts",
    {
      breaks: ["P3", "R-EVT-1"],
      tests: ["test/unit/nats/StreamPublish.test.ts", "test/unit/nats/StreamPuts.test.ts"]
    },
    [
      {
        id: "nats-publish-any-answer-is-stored",
        from: 'typeof stream !== "string" || stream === "" || !isCount(seq)',
        to: "!isCount(seq)"
      },
      {
        id: "nats-inbox-known-by-another",
        file: "src/nats/drawn.ts",
        from: 'randomBytes(16).toString("hex")',
        to: 'randomBytes(16).fill(0).toString("hex")',
        breaks: ["P1", "R-BUS-31"],
        tests: ["test/unit/coherence/LeaseBucket.test.ts"]
      },
      {
        id: "nats-inbox-stored-message-acknowledges",
        from: "isStoredMessage(msg) || msg.reply",
        to: "msg.reply",
        breaks: ["P1", "R-BUS-36"],
        tests: ["test/unit/coherence/LeaseBucket.test.ts"]
      },
      {
        id: "nats-inbox-delivered-message-acknowledges",
        from: "isStoredMessage(msg) || msg.reply",
        to: "isStoredMessage(msg)",
        breaks: ["P1", "R-BUS-36"],
        tests: ["test/unit/coherence/LeaseBucket.test.ts"]
      },
      { id: "nats-publish-ended-inbox-stays-ended", from: "        subscription = null\n", to: "" },
      {
        id: "nats-publish-refused-inbox-is-asked-for-by-each",
        from: "    if (nowMs - anewAtMs < Seldom.everyMs) return\n",
        to: "",
        breaks: ["P6"]
      },
      {
        id: "nats-publish-refused-inbox-is-told-by-each",
        from: "ends.tellUnsafe(",
        to: "Effect.runFork(",
        breaks: ["P6"]
      }
    ]
  ),
  ...faultsIn(
    "src/nats/StreamPublish.ts",
    { breaks: ["P3", "R-EVT-1"], tests: ["test/unit/nats/StreamPublish.test.ts"] },
    [
      {
        id: "nats-publish-next-ones-first-is-the-last-ones",
        from: "number < base + sent()",
        to: "number <= base + sent()"
      },
      {
        id: "nats-publish-unanswered-is-refused",
        from: '{ kind: "unknown", reason: "no answer in time" }',
        to: '{ kind: "unsent", reason: "InvalidArgumentError" }'
      },
      {
        id: "nats-publish-stored-by-another-stream",
        from: "AckInbox.ackOf(message, stream)",
        to: "AckInbox.ackOf(message)",
        breaks: ["P3", "R-EVT-1"]
      },
      { id: "nats-publish-one-answer-counts-twice", from: "        if (acks[at] !== undefined) return\n", to: "" },
      { id: "nats-publish-first-in-company", from: "answered === 0 ? 1 : windowMax", to: "windowMax" },
      {
        id: "nats-publish-on-behind-a-refusal",
        from: '        if (ack.kind !== "stored" || ack.duplicate || ack.sequence !== last + 1 + at) isOpen = false\n',
        to: ""
      },
      { id: "nats-publish-on-behind-a-gap", from: " || ack.sequence !== last + 1 + at", to: "" },
      { id: "nats-publish-without-a-window", from: " && sent - answered < window", to: " && window > 0" },
      {
        id: "nats-publish-limit-of-the-first-answer",
        from: "now() >= endsAt() ? Effect.void : awaitAll",
        to: "now() > heardAt ? Effect.void : awaitAll"
      },
      {
        id: "nats-publish-behind-the-time",
        from: "heardAt < until ? messages.length",
        to: "heardAt < until + limitMs ? messages.length"
      },
      { id: "nats-publish-no-first-behind-the-time", from: "Math.min(1, messages.length)", to: "0" },
      {
        id: "nats-publish-waits-on-behind-the-time",
        from: "Math.min(heardAt, Math.max(startedAt, until)) + limitMs",
        to: "heardAt + limitMs"
      },
      { id: "nats-publish-limit-of-all-together", from: "        heardAt = now()\n", to: "" },
      {
        id: "nats-publish-any-chain-is-acknowledged",
        from: "if (number >= base && number < base + sent())",
        to: "if (number >= base)"
      },
      {
        id: "nats-publish-without-message-id",
        from: "`Nats-Msg-Id: ${id}${expects}${last + at}\\r\\n`",
        to: "`Nats-Msg: ${id}${expects}${last + at}\\r\\n`"
      },
      {
        id: "nats-publish-without-expected-sequence",
        from: "\\r\\nNats-Expected-Last-Sequence: `",
        to: "\\r\\nNats-Expected-Last: `"
      },
      { id: "nats-publish-id-with-a-line", from: "const refusal = unfitId.test(id)", to: 'const refusal = id === ""' }
    ]
  ),
  ...faultsIn("src/nats/StreamPuts.ts", { breaks: ["P4"], tests: ["test/unit/nats/StreamPuts.test.ts"] }, [
    {
      id: "nats-puts-any-answer-is-stored",
      from: '    if (AckInbox.ackOf(message).kind === "stored") stored()',
      to: "    if (msg !== null) stored()"
    },
    {
      id: "nats-puts-without-a-bound",
      from: "if (onTheWay.size >= inFlightMax) return false",
      to: "if (inFlightMax === 0) return false"
    },
    {
      id: "nats-puts-never-lost",
      from: "      onTheWay.delete(number)\n      lost()\n",
      to: "      if (number < 0) lost()\n"
    },
    {
      id: "nats-puts-lost-before-the-limit",
      from: "if (sentAt > sentBefore) return",
      to: "if (sentAt > sentBefore + limitMs) return"
    },
    {
      id: "nats-puts-counted-twice",
      from: "if (!onTheWay.delete(",
      to: "if (onTheWay.delete(-1) && !onTheWay.delete("
    }
  ]),
  ...faultsIn(
    "src/nats/PublishLines.ts",
    { breaks: ["R-EVT-1", "R-EVT-5"], tests: ["test/unit/nats/StreamPublish.test.ts"] },
    [
      {
        id: "nats-lines-subject-with-a-line",
        from: 'subject === "" || unfitSubject.test(subject)',
        to: 'subject === ""'
      },
      { id: "nats-lines-header-with-a-line", from: " || unfitHeader.test(value)", to: "" },
      { id: "nats-lines-any-header-name", from: 'name === "" || /[^!-9;-~]/u.test(name)', to: 'name === ""' },
      {
        id: "nats-lines-closed-is-told-as-sent",
        from: '    if (protocol.isClosed()) return "ClosedConnectionError"\n',
        to: ""
      },
      {
        id: "nats-lines-drained-is-told-as-sent",
        from: '    if (protocol.noMorePublishing === true) return "DrainingConnectionError"\n',
        to: ""
      },
      {
        id: "nats-lines-any-size",
        from: "bytes > (this.connection.info?.max_payload ?? Number.POSITIVE_INFINITY)",
        to: "bytes < 0"
      },
      {
        id: "nats-lines-size-by-a-guess",
        from: "this.connection.info?.max_payload ?? Number.POSITIVE_INFINITY",
        to: "this.connection.info?.max_payload ?? 0x10_0000",
        breaks: ["R-EVT-1"]
      },
      {
        id: "nats-lines-characters-are-bytes",
        from: "const headerBytes = Buffer.byteLength(block)",
        to: "const headerBytes = block.length"
      },
      { id: "nats-lines-given-bytes-again", from: "    this.given = used\n", to: "" }
    ]
  ),
  ...faultsIn(
    "src/nats/NatsConnection.ts",
    { breaks: ["R-RUN-1"], tests: ["test/integration/service/starting.test.ts"] },
    [
      {
        id: "nats-dialling-cannot-be-stopped",
        from: "      { interruptible: true }\n",
        to: "      { interruptible: false }\n"
      }
    ]
  ),
  ...faultsIn("src/nats/ServerCheck.ts", { breaks: ["R-BUS-15"], tests: ["test/unit/nats/ServerCheck.test.ts"] }, [
    {
      id: "nats-check-older-minor-is-newer",
      from: "return at !== -1 && a[at]! < b[at]!",
      to: "return at !== -1 && a[2] < b[2]"
    },
    {
      id: "nats-check-small-messages",
      from: "if (info.max_payload < payloadBytesMin) {",
      to: "if (info.max_payload < 0 * payloadBytesMin) {"
    }
  ]),
  ...faultsIn("src/nats/StreamWatch.ts", { breaks: ["R-BUS-19"], tests: ["test/unit/nats/StreamWatch.test.ts"] }, [
    {
      id: "nats-watch-a-timer-for-each-stream",
      from: "watch(plan, true, second.await)",
      to: "watch(plan, true)",
      breaks: ["R-RUN-16"]
    },
    {
      id: "nats-watch-looks-once",
      from: "Effect.andThen(Effect.sleep(lookEvery), second.release)",
      to: "Effect.andThen(Effect.sleep(lookEvery), second.release).pipe(Effect.andThen(Effect.never))"
    }
  ]),
  ...faultsIn("src/nats/StreamPlan.ts", { breaks: ["R-BUS-19"], tests: ["test/unit/nats/StreamPlan.test.ts"] }, [
    {
      id: "nats-plan-events-may-be-purged",
      from: "  deny_purge: true\n",
      to: "  deny_purge: false\n",
      breaks: ["R-BUS-19", "P3"]
    },
    {
      id: "nats-plan-events-may-be-deleted",
      from: "    deny_delete: true,\n",
      to: "    deny_delete: false,\n",
      breaks: ["R-BUS-19", "P3"]
    },
    {
      id: "nats-plan-events-in-memory",
      from: "    storage: StorageType.File,",
      to: "    storage: StorageType.Memory,",
      breaks: ["P3", "R-BUS-19"]
    },
    {
      id: "nats-plan-inbox-keeps-what-is-done",
      from: "  retention: RetentionPolicy.Workqueue,",
      to: "  retention: RetentionPolicy.Limits,",
      breaks: ["R-PLT-7"]
    },
    {
      id: "nats-plan-remade-is-the-same",
      from: "before !== null && before.created !== now.created",
      to: "before === null && now.state.messages < 0"
    },
    {
      id: "nats-plan-mirror-unnoticed",
      from: "...foreign.filter((field) => now.config[field] !== undefined)",
      to: "...foreign.filter((field) => now.config[field] === null)"
    },
    {
      id: "nats-plan-inbox-ids-outlive-its-messages",
      from: "nanos(Math.min(Duration.toMillis(kvDuplicateWindow), Duration.toMillis(limits.inboxAge)))",
      to: "nanos(Duration.toMillis(kvDuplicateWindow))"
    },
    {
      id: "nats-plan-other-memory-of-ids-hurts",
      from: '  "duplicate_window",\n  "description"\n',
      to: '  "description"\n'
    },
    {
      id: "nats-plan-emptied-of-one-more",
      from: "before.state.messages >= emptiedMin",
      to: "before.state.messages > emptiedMin"
    }
  ]),
  ...faultsIn(
    "src/cache/HotTokenValue.ts",
    { breaks: ["P4"], tests: ["test/unit/cache/HotTokenValue.test.ts", "test/unit/cache/ValidationCache.test.ts"] },
    [
      {
        id: "cache-value-of-another-key",
        from: "if (tenantId !== key.tenantId || cacheKey !== key.cacheKey) return null",
        to: "if (tenantId !== key.tenantId && cacheKey !== key.cacheKey) return null",
        breaks: ["P4", "P5"]
      },
      {
        id: "cache-value-of-another-format",
        from: "if (value[0] !== format) return null",
        to: "if (value[0] === undefined) return null"
      }
    ]
  ),
  ...faultsIn("src/observability/Loop.ts", { breaks: ["R-RUN-8"], tests: ["test/unit/observability/Loop.test.ts"] }, [
    {
      id: "observability-loop-ends-with-a-bug",
      from: "    ).pipe(Effect.forever)",
      to: "    ).pipe(Effect.repeat({ times: 0 }), Effect.andThen(Effect.never))"
    },
    {
      id: "observability-loop-one-id-for-all-turns",
      from: "Turn.under(newCorrelationId())",
      to: "Turn.under(loop)",
      breaks: ["R-ACT-6"]
    },
    {
      id: "observability-loop-spins-on-a-bug",
      from: "            Effect.andThen(Effect.sleep(pauseAfterDefect)),\n",
      to: "            Effect.andThen(Duration.toMillis(pauseAfterDefect) < 0 ? Effect.never : Effect.void),\n"
    },
    {
      id: "observability-loop-what-comes-during-a-step-is-lost",
      from: "      Effect.andThen(some.close),\n      Effect.andThen(step),\n",
      to: "      Effect.andThen(Effect.tap(step, () => some.close)),\n",
      breaks: ["R-RUN-16"]
    },
    {
      id: "observability-loop-never-rests",
      from: "(isMore ? Effect.sync(wakeUnsafe) : Effect.void)",
      to: "(isMore ? Effect.sync(wakeUnsafe) : Effect.sync(wakeUnsafe))",
      breaks: ["R-RUN-16"]
    },
    {
      id: "observability-loop-rests-before-all-is-done",
      from: "(isMore ? Effect.sync(wakeUnsafe) : Effect.void)",
      to: "(isMore ? Effect.void : Effect.void)",
      breaks: ["R-RUN-16"]
    },
    {
      id: "observability-loop-rests-after-a-bug",
      from: "      Effect.onError(() => Effect.sync(wakeUnsafe)),\n",
      to: ""
    }
  ]),
  ...faultsIn(
    "src/observability/Seldom.ts",
    { breaks: ["R-RUN-14"], tests: ["test/unit/observability/Seldom.test.ts"] },
    [
      { id: "observability-seldom-each-is-a-line", from: "nowMs - toldAtMs < everyMs", to: "nowMs < toldAtMs" },
      { id: "observability-seldom-no-second-line", from: "    toldAtMs = nowMs\n", to: "    toldAtMs = Infinity\n" },
      { id: "observability-seldom-lost-from-the-count", from: "      unsaid++\n", to: "      unsaid = 1\n" },
      { id: "observability-seldom-counted-for-ever", from: "    unsaid = 0\n    return said", to: "    return said" }
    ]
  ),
  ...faultsIn(
    "src/observability/Pieces.ts",
    {
      breaks: ["R-LIM-3", "P6"],
      tests: ["test/unit/observability/Pieces.test.ts", "test/unit/actors/tokens/pieces.test.ts"]
    },
    [
      {
        id: "observability-pieces-all-in-one-go",
        from: "for (let left = size; left > 0; left--)",
        to: "for (let left = 1e9; left > 0; left--)"
      },
      {
        id: "observability-pieces-a-piece-of-each-list-in-one-turn",
        from: "Semaphore.makeUnsafe(1)",
        to: "Semaphore.makeUnsafe(1_000)"
      },
      {
        id: "observability-pieces-locked-wait-for-all",
        from: "inTurns(locked, count, pieces)",
        to: "inTurns(all, count, pieces)"
      },
      {
        id: "observability-pieces-relay-waits-for-all",
        from: "inTurns(events, count, pieces, size)",
        to: "inTurns(all, count, pieces, size)",
        breaks: ["R-LIM-5"]
      },
      {
        id: "observability-pieces-one-in-a-long-turn",
        from: "nowMs() - began < room",
        to: "nowMs() < began",
        breaks: ["R-LIM-5"]
      },
      {
        id: "observability-pieces-by-a-turn-of-long-ago",
        from: "since >= 0 && since < freshMs",
        to: "since >= 0"
      },
      {
        id: "observability-pieces-by-a-clock-that-was-ahead",
        from: "since >= 0 && since < freshMs",
        to: "since < freshMs"
      },
      {
        id: "observability-pieces-turns-long-by-other-programs",
        from: "Math.min(turn.ms, turn.workedMs)",
        to: "turn.ms"
      },
      {
        id: "observability-pieces-turns-long-by-a-step-of-the-clock",
        from: "Math.min(turn.ms, turn.workedMs)",
        to: "turn.workedMs"
      },
      {
        id: "observability-pieces-lanes-make-each-other-room",
        from: "    this.thread.piecesMs += ms - began\n",
        to: ""
      }
    ]
  ),
  ...faultsIn(
    "src/observability/Deadlines.ts",
    { breaks: ["P10"], tests: ["test/unit/observability/deadlines.test.ts"] },
    [
      {
        id: "observability-deadline-twice",
        from: "      waits.delete(wait)\n      wait.overdue()",
        to: "      wait.overdue()\n      waits.delete(wait)"
      },
      {
        id: "observability-deadline-of-the-ended",
        from: "return () => void waits.delete(wait)",
        to: "return () => void waits.has(wait)"
      }
    ]
  ),
  ...faultsIn(
    "src/observability/Log.ts",
    { breaks: ["P5", "R-SEC-2"], tests: ["test/unit/observability/log.test.ts"] },
    [
      { id: "observability-log-client-secret-shown", from: '  "client_secret"\n', to: '  "client-secret"\n' },
      { id: "observability-log-fields-of-data-shown", from: "`data[*].${field}`", to: "`data.${field}`" }
    ]
  )
]
