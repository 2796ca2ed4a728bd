/** Faults in `src/coherence`: leases and barriers between replicas. */
import { faultsIn, type Mutant } from "./Mutant.ts"

const unit = "test/unit/coherence"
const live = "test/integration/coherence/NatsCoherence.test.ts"
const loss = "test/integration/coherence/natsLoss.test.ts"
const forged = "test/integration/coherence/ForgedAnswers.test.ts"
const p1 = ["P1", "R-REV-1"]

export const coherence: ReadonlyArray<Mutant> = [
  ...faultsIn("src/coherence/Rounds.ts", { breaks: p1, tests: [`${unit}/Rounds.test.ts`, live] }, [
    {
      id: "coherence-rounds-one-acknowledged-message-is-enough",
      from: "ids.size === messageIds.size",
      to: "ids.size > 0"
    },
    {
      id: "coherence-rounds-broken-round-is-forgotten",
      from: "waiting = [...batch, ...waiting]",
      to: "waiting = [...waiting]"
    },
    {
      id: "coherence-rounds-old-acknowledgement-counts",
      from: "if (!messageIds.has(id)) return",
      to: "if (messageIds.size < 0) return"
    },
    {
      id: "coherence-rounds-messages-are-not-repeated",
      from: "        publishUnsafe(messages)\n        repeatAt",
      to: "        if (messages.length < 0) publishUnsafe(messages)\n        repeatAt",
      breaks: ["R-REV-6"]
    }
  ]),
  ...faultsIn(
    "src/coherence/Barrier.ts",
    { breaks: [...p1, "R-REV-2"], tests: [`${unit}/Barrier.test.ts`, `${unit}/protocol.test.ts`] },
    [
      {
        id: "coherence-barrier-vanished-anew-each-time",
        from: "awaited.push(before.frozen ? before : {",
        to: "awaited.push({",
        breaks: ["R-REV-2"]
      },
      {
        id: "coherence-barrier-half-a-listing",
        from: "end.pending === 0 && end.upTo >= barrier",
        to: "end.upTo >= barrier"
      },
      {
        id: "coherence-barrier-older-listing",
        from: "end.pending === 0 && end.upTo >= barrier",
        to: "end.pending === 0 && end.upTo >= barrier - 1"
      },
      {
        id: "coherence-barrier-waits-for-itself",
        from: "isAwaited(entry) && entry.process !== known.process",
        to: "isAwaited(entry) && known.process !== null",
        breaks: ["R-REV-6"]
      },
      {
        id: "coherence-barrier-evicted-is-harmless",
        from: 'entry.state === "held" || entry.state === "evicted"',
        to: 'entry.state === "held"'
      },
      {
        id: "coherence-barrier-changed-bucket-unnoticed",
        from: "listing.barrier <= known.seen.highest",
        to: "listing.barrier < known.seen.highest"
      },
      {
        id: "coherence-barrier-own-timing-only",
        from: "Math.max(outwaitMs(timing), outwaitMs(entry.timing))",
        to: "outwaitMs(timing)"
      },
      {
        id: "coherence-barrier-vanished-was-long-gone",
        from: "{ ...before, sinceMs: listing.receivedMs, frozen: true, gone: true }",
        to: "{ ...before, frozen: true, gone: true }"
      },
      {
        id: "coherence-barrier-waited-by-the-answer",
        from: "listing.sentMs >= before.sinceMs + before.outwaitMs",
        to: "listing.receivedMs >= before.sinceMs + before.outwaitMs"
      },
      {
        id: "coherence-barrier-new-bucket-at-once",
        from: "nowMs >= round.settledAtMs",
        to: "nowMs >= round.begunAtMs",
        breaks: ["R-BUS-32"]
      },
      {
        id: "coherence-barrier-evicted-since-ever",
        from: 'state: "evicted" }, sinceMs: nowMs, frozen: true }',
        to: 'state: "evicted" }, sinceMs: Math.min(nowMs, awaited.sinceMs), frozen: true }'
      },
      {
        id: "coherence-barrier-same-sequence-is-news",
        from: "sequence > before.highest",
        to: "sequence >= before.highest",
        breaks: ["R-BUS-32"]
      },
      {
        id: "coherence-barrier-held-longer-than-told",
        from: "entry.heldMs * rate",
        to: "entry.heldMs / rate",
        breaks: ["R-BUS-32"]
      }
    ]
  ),
  ...faultsIn(
    "src/coherence/Lease.ts",
    { breaks: [...p1, "R-REV-2"], tests: [`${unit}/Lease.test.ts`, `${unit}/protocol.test.ts`] },
    [
      {
        id: "coherence-lease-from-the-answer",
        from: "sent.monotonicMs + timing.leaseMs - timing.marginMs",
        to: "received.monotonicMs + timing.leaseMs - timing.marginMs"
      },
      {
        id: "coherence-lease-without-margin",
        from: "sent.wallMs + timing.leaseMs - timing.marginMs",
        to: "sent.wallMs + timing.leaseMs"
      },
      {
        id: "coherence-lease-late-renewal-is-no-lapse",
        from: "holds(right, received) ? right.generation",
        to: "holds(right, sent) || holds(right, received) ? right.generation"
      },
      {
        id: "coherence-lease-outwaited-without-margin",
        from: "timing.leaseMs + timing.marginMs",
        to: "timing.leaseMs"
      },
      {
        id: "coherence-lease-lapse-keeps-generation",
        from: "trustedUntilWallMs: 0, generation: right.generation + 1",
        to: "trustedUntilWallMs: 0, generation: right.generation"
      }
    ]
  ),
  ...faultsIn(
    "src/coherence/Coherence.ts",
    { breaks: p1, tests: [`${unit}/Lease.test.ts`, "test/unit/actors/validation/LiveValidator.test.ts"] },
    [
      {
        id: "coherence-state-one-clock-is-enough",
        from: "monotonicMs < this.trustedUntilMonotonicMs && wallMs",
        to: "monotonicMs < this.trustedUntilMonotonicMs || wallMs"
      }
    ]
  ),
  ...faultsIn(
    "src/coherence/LeaseEntry.ts",
    { breaks: ["P1", "R-BUS-31"], tests: [`${unit}/LeaseEntry.test.ts`, live] },
    [
      {
        id: "coherence-entry-foreign-is-released",
        from: 'state: "held", heldMs: 0, timing: own }, isSealed: false',
        to: 'state: "released", heldMs: 0, timing: own }, isSealed: false'
      },
      {
        id: "coherence-entry-seal-without-state",
        from: '["lease entry", bucket, key, state, heldMs, leaseMs, marginMs]',
        to: '["lease entry", bucket, key, state.length > 0, heldMs, leaseMs, marginMs]'
      },
      {
        id: "coherence-entry-of-another-key",
        from: '["lease entry", bucket, key, state,',
        to: '["lease entry", bucket, key.length > 0, state,'
      },
      {
        id: "coherence-entry-waits-for-ever",
        from: "leaseMs: Math.min(leaseMs, timingMsMax)",
        to: "leaseMs: Math.max(leaseMs, timingMsMax)",
        breaks: ["R-REV-6"]
      }
    ]
  ),
  ...faultsIn(
    "src/coherence/LeaseKeeper.ts",
    { breaks: [...p1, "R-REV-10"], tests: [`${unit}/LeaseKeeper.test.ts`, live] },
    [
      {
        id: "coherence-keeper-each-refusal-is-told",
        from: "refusals++ === 0 ? ",
        to: "refusals++ >= 0 ? ",
        breaks: ["R-REV-10"]
      },
      {
        id: "coherence-keeper-no-refusal-is-told",
        from: "refusals++ === 0 ? ",
        to: "refusals++ < 0 ? ",
        breaks: ["R-REV-10"]
      },
      {
        id: "coherence-keeper-next-row-is-not-told",
        from: "      refusals = 0\n",
        to: "",
        breaks: ["R-REV-10"]
      },
      {
        id: "coherence-keeper-refusal-is-no-reason",
        from: '      reason = "the lease bucket does not answer"\n',
        to: "",
        breaks: ["R-REV-10"]
      },
      {
        id: "coherence-keeper-lost-while-taken",
        from: "if (losses !== lossesBefore)",
        to: "if (losses < lossesBefore)"
      },
      {
        id: "coherence-keeper-disconnect-unheard",
        from: 'type === "disconnect" || type === "staleConnection"',
        to: 'type === "staleConnection"'
      },
      {
        id: "coherence-keeper-taken-away-unnoticed",
        from: '            lapseUnsafe("the lease was taken away")\n',
        to: ""
      },
      {
        id: "coherence-keeper-pauses-without-end",
        from: "Math.min(backOffLeasesMax, backOff * 2)",
        to: "backOff * 2",
        breaks: ["R-REV-10"]
      },
      {
        id: "coherence-keeper-right-from-the-answer",
        from: "if (term === mine) grantUnsafe(sent, true)",
        to: "if (term === mine) grantUnsafe(now(), true)"
      }
    ]
  ),
  ...faultsIn("src/coherence/NatsCoherence.ts", { breaks: p1, tests: [live] }, [
    {
      id: "coherence-nats-obeys-the-first-of-many",
      from: "for (const revocation of revocations) applier.applyUnsafe(revocation)",
      to: "for (const revocation of revocations.slice(0, 1)) applier.applyUnsafe(revocation)"
    },
    {
      id: "coherence-nats-obeys-before-it-does",
      from: "    for (const revocation of revocations) applier.applyUnsafe(revocation)\n    publishUnsafe(on.ack(from), encode({ from: process, id }))",
      to: "    publishUnsafe(on.ack(from), encode({ from: process, id }))\n    for (const revocation of revocations) applier.applyUnsafe(revocation)"
    },
    {
      id: "coherence-nats-stored-messages-speak",
      from: "msg.headers !== undefined || msg.reply",
      to: "msg.reply",
      breaks: ["P1", "R-BUS-36"],
      tests: [forged]
    },
    {
      id: "coherence-nats-delivered-messages-speak",
      from: "msg.headers !== undefined || msg.reply",
      to: "msg.headers !== undefined",
      breaks: ["P1", "R-BUS-36"],
      tests: [forged]
    },
    {
      id: "coherence-nats-late-before-it-is",
      from: "const late = Effect.suspend(() =>\n",
      to: "const late = ((effect: Effect.Effect<never, BarrierTimeout>) => effect)(\n",
      breaks: ["R-REV-6"],
      tests: [`${loss}#counts a revocation that is late`]
    },
    {
      id: "coherence-nats-late-uncounted",
      from: "Metric.update(Metrics.barrierTimeouts, 1),",
      to: "Effect.void,",
      breaks: ["R-REV-6"],
      tests: [`${loss}#counts a revocation that is late`]
    },
    {
      id: "coherence-nats-own-copy-is-not-dropped",
      from: "    applier.applyUnsafe(revocation)\n    const late",
      to: "    const late"
    },
    {
      id: "coherence-nats-relay-does-not-wait-for-the-store",
      from: 'carry(revocation, "told")',
      to: 'carry(revocation, "inForce")',
      breaks: ["P3"]
    },
    {
      id: "coherence-nats-answer-waits-for-the-store",
      from: 'carry(revocation, "inForce")',
      to: 'carry(revocation, "told")',
      breaks: ["R-REV-9"]
    }
  ]),
  ...faultsIn(
    "src/coherence/InForceMarks.ts",
    { breaks: ["R-EVT-2", "P3"], tests: [`${unit}/InForceMarks.test.ts`, live] },
    [
      {
        id: "coherence-marks-unmarked-is-forgotten",
        from: "inForce = [...pending, ...inForce]",
        to: "inForce = [...inForce]"
      },
      {
        id: "coherence-marks-others-are-not-told",
        from: "    told(Array.from(new Set(keys.map(({ tenantId }) => tenantId))))",
        to: "    if (keys.length < 0) told([])",
        breaks: ["R-REV-9"]
      },
      {
        id: "coherence-marks-untold-at-the-end",
        from: "inForce.length === 0 ? Effect.void : mark",
        to: "inForce.length >= 0 ? Effect.void : mark"
      },
      {
        id: "coherence-marks-each-by-itself",
        from: "Effect.andThen(Effect.orDie(mark), rest)",
        to: "Effect.orDie(mark)",
        breaks: ["R-REV-9"]
      },
      {
        id: "coherence-marks-each-word-ends-a-rest",
        from: "const waiters = yield* Queue.sliding<void>(1)",
        to: "const waiters = yield* Queue.unbounded<void>()",
        breaks: ["R-REV-9"]
      },
      {
        id: "coherence-marks-whoever-waits",
        from: "      Queue.offerUnsafe(waiters, undefined)",
        to: "      void waiters",
        breaks: ["R-REV-9"]
      }
    ]
  ),
  ...faultsIn("src/coherence/Messages.ts", { breaks: ["R-REV-6"], tests: [`${unit}/Messages.test.ts`] }, [
    {
      id: "coherence-messages-of-the-same-length-are-own",
      from: '.toString("latin1") === head',
      to: '.toString("latin1").length === head.length'
    }
  ]),
  ...faultsIn("src/coherence/LeaseBucket.ts", { breaks: ["P1"], tests: [`${unit}/LeaseBucket.test.ts`, live] }, [
    {
      id: "coherence-bucket-proven-whatever-it-says",
      from: "Buffer.compare(before.bytes, msg.data) === 0",
      to: "before.bytes !== msg.data",
      breaks: ["P1", "R-BUS-31"]
    },
    {
      id: "coherence-bucket-proven-under-another-key",
      from: "proven.get(place.key)",
      to: "[...proven.values()].at(-1)",
      breaks: ["P1", "R-BUS-31"]
    },
    {
      id: "coherence-bucket-renewal-unnoticed",
      from: "{ ...decoded.entry, revision }",
      to: "decoded.entry"
    },
    {
      id: "coherence-bucket-late-answers-count",
      from: "        waits.delete(number)\n",
      to: ""
    },
    {
      id: "coherence-bucket-seal-proven-each-time",
      from: "known ?? { bytes: Buffer.from(msg.data), decoded }",
      to: "{ bytes: Buffer.alloc(0), decoded }",
      breaks: ["R-REV-6"]
    },
    {
      id: "coherence-bucket-may-be-purged",
      from: "deny_purge: true",
      to: "deny_purge: false",
      tests: [`${unit}/LeaseBucket.test.ts`]
    },
    {
      id: "coherence-bucket-first-of-two-names",
      from: 'msg.headers.last("Nats-Subject")',
      to: 'msg.headers.get("Nats-Subject")',
      tests: [`${live}#waits for a replica over whose entry`]
    },
    {
      id: "coherence-bucket-stored-message-ends-the-listing",
      survives: "the servers that are supported take such a line off a message when they store it. A second fence",
      from: "isStoredMessage(msg) ? 0 : (msg.headers?.code ?? 0)",
      to: "msg.headers?.code ?? 0",
      tests: [`${live}#waits for a replica over whose entry`]
    },
    {
      id: "coherence-bucket-first-of-two-sequences",
      from: "msg.headers?.last(header)",
      to: "msg.headers?.get(header)",
      tests: [`${live}#waits for a replica over whose entry`]
    },
    {
      id: "coherence-bucket-write-without-revision",
      from: "expect: { lastSubjectSequence: revision }",
      to: "expect: {}"
    },
    {
      id: "coherence-bucket-any-listing-will-do",
      from: "!accepts(sequence, end)",
      to: "!accepts(0, end)"
    },
    {
      id: "coherence-bucket-listing-with-a-gap",
      from: "!isWhole || !isBehindBarrier",
      to: "!isBehindBarrier",
      tests: [`${unit}/LeaseBucket.test.ts`, "test/integration/coherence/LostEntries.test.ts"]
    },
    {
      id: "coherence-bucket-gap-before-the-end",
      from: "          follows(msg)\n",
      to: "",
      tests: [`${unit}/LeaseBucket.test.ts`]
    },
    {
      id: "coherence-bucket-end-without-the-barrier",
      from: "!isBehindBarrier || !accepts",
      to: "!accepts",
      breaks: ["P1", "R-BUS-36"]
    },
    {
      id: "coherence-bucket-end-behind-an-older-barrier",
      from: "key === barrier.key && revision >= sequence",
      to: "key === barrier.key",
      breaks: ["P1", "R-BUS-36"]
    },
    {
      id: "coherence-bucket-answered-where-it-was-before",
      from: "drawNumber()",
      to: "0",
      breaks: ["P1", "R-BUS-36"]
    },
    {
      id: "coherence-bucket-acknowledged-by-any-stream",
      from: "AckInbox.ackOf(msg, plan.name)",
      to: "AckInbox.ackOf(msg)",
      breaks: ["P1", "R-BUS-36"]
    }
  ]),
  ...faultsIn(
    "src/coherence/CoherenceConfig.ts",
    { breaks: ["R-REV-6", "R-RUN-3"], tests: [`${unit}/CoherenceConfig.test.ts`] },
    [
      {
        id: "coherence-config-time-out-within-a-lease",
        from: "leaseMs + marginMs + outwaitSlackMs",
        to: "leaseMs + marginMs - outwaitSlackMs"
      },
      { id: "coherence-config-entries-die-while-held", from: "< 10 * leaseMs", to: "< leaseMs" }
    ]
  )
]
