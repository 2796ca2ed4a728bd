/** Faults that break what no fault of a room is about: rotators, circuits, ends of audits, traces, and what is read of others. */
import { faultsIn, type Mutant } from "./Mutant.ts"

const life = "test/unit/domain/rotationLife/RotationLife.test.ts"
const audit = "test/unit/actors/audit"

export const promises: ReadonlyArray<Mutant> = [
  ...faultsIn(
    "src/domain/RotationLife.ts",
    { breaks: ["R-ROT-1", "R-ROT-4"], tests: ["test/unit/domain/rotationLife/Decisions.test.ts"] },
    [
      {
        id: "domain-rotation-first-promise-ends-the-wait",
        from: "const promisedUntil = Math.max(...promised",
        to: "const promisedUntil = Math.min(...promised"
      },
      {
        id: "domain-rotation-left-alone-for-less-than-an-hour",
        from: "Math.max(outcome.retryAt, now + failedForGoodAgainMs)",
        to: "Math.min(outcome.retryAt, now + failedForGoodAgainMs)"
      },
      {
        id: "domain-rotation-waits-for-the-last-old-secret",
        from: "const until = Math.min(...state.cleanups",
        to: "const until = Math.max(...state.cleanups"
      },
      {
        id: "domain-rotation-given-up-waits-more-than-a-day",
        from: "now + Math.min(state.everyMs, dayMs)",
        to: "now + Math.max(state.everyMs, dayMs)"
      }
    ]
  ),
  ...faultsIn("src/domain/RotationLife.ts", { breaks: ["P7", "R-ROT-1", "R-ROT-2"], tests: [life] }, [
    {
      id: "domain-rotation-claim-taken-from-its-holder",
      from: "if (state.claim !== null && now < state.claim.until) return ClaimDecision.Busy",
      to: "if (state.claim !== null && now < 0) return ClaimDecision.Busy"
    },
    {
      id: "domain-rotation-settles-in-another-term",
      from: "if (state.claim?.term !== term) return SettleDecision.Fenced()",
      to: "if (state.claim === null) return SettleDecision.Fenced()"
    },
    {
      id: "domain-rotation-old-one-is-never-taken-away",
      from: "        cleanups: [...free.cleanups, retire],\n",
      to: "        cleanups: [...free.cleanups, ...(now < 0 ? [retire] : [])],\n",
      breaks: ["R-ROT-2", "R-ROT-4", "R-ROT-5"]
    },
    {
      id: "domain-rotation-switches-before-the-test",
      from: 'return settled(onward("test"), "none")',
      to: 'return settled(onward("test"), "switch")',
      breaks: ["R-ROT-1", "R-ROT-2", "R-ROT-4"]
    },
    {
      id: "domain-rotation-old-one-lives-for-no-overlap",
      from: "dueAt: now + overlapMs,",
      to: "dueAt: now + 0 * overlapMs,",
      breaks: ["R-ROT-1", "R-ROT-4"]
    },
    {
      id: "domain-rotation-another-claim-given-back",
      from: "state.claim?.term === term ? { ...state, claim: null } : undefined",
      to: "state.claim === null ? undefined : { ...state, claim: null }"
    },
    {
      id: "domain-rotation-claim-is-not-given-back",
      from: "state.claim?.term === term ? { ...state, claim: null } : undefined",
      to: "state.claim?.term === term ? state : undefined"
    }
  ]),
  ...faultsIn(
    "src/domain/RotationParams.ts",
    { breaks: ["R-ROT-3", "P6"], tests: ["test/unit/domain/RotationParams.test.ts"] },
    [
      { id: "domain-params-any-number", from: "length <= paramsMax &&", to: "length <= 100 * paramsMax &&" },
      { id: "domain-params-of-any-length", from: "hasAtMost(text, paramLengthMax) &&", to: "text.length >= 0 &&" },
      {
        id: "domain-params-in-units",
        from: "hasAtMost(text, paramLengthMax) &&",
        to: "text.length <= paramLengthMax &&",
        breaks: ["R-INP-4"]
      },
      { id: "domain-params-any-name", from: "/^[a-z][a-z0-9_]{0,63}$/u", to: "/^[a-z][a-z0-9_]{0,63}/u" }
    ]
  ),
  ...faultsIn(
    "src/domain/LinearPattern.ts",
    { breaks: ["R-REF-5", "P6"], tests: ["test/unit/domain/LinearPattern.test.ts"] },
    [
      {
        id: "domain-pattern-of-any-length",
        from: "value.length <= valueLengthMax && compiled",
        to: "value.length >= 0 && compiled"
      },
      {
        id: "domain-pattern-that-is-none-takes-all",
        from: "    return null\n",
        to: "    return { matches: () => true }\n"
      }
    ]
  ),
  ...faultsIn("src/domain/Circuit.ts", { breaks: ["R-REF-15"], tests: ["test/unit/domain/Circuit.test.ts"] }, [
    {
      id: "domain-circuit-half-open-lets-all-try",
      from: "return now < circuit.probeUntil ? circuit.probeUntil : null",
      to: "return now < 0 ? circuit.probeUntil : null"
    },
    {
      id: "domain-circuit-one-failure-later",
      from: "failures < failuresMax[kind])",
      to: "failures <= failuresMax[kind])"
    },
    { id: "domain-circuit-opens-as-short-again", from: "opens: circuit.opens + 1,", to: "opens: circuit.opens," }
  ]),
  ...faultsIn(
    "src/actors/clients/Attempts.ts",
    { breaks: ["R-CLI-10", "P6"], tests: ["test/unit/actors/clients/Attempts.test.ts"] },
    [
      {
        id: "clients-attempts-one-lane-has-all-turns",
        from: "      this.lanes.delete(id)\n      if (lane.length > 0) this.lanes.set(id, lane)\n      const nowMs",
        to: "      if (lane.length === 0) this.lanes.delete(id)\n      const nowMs"
      },
      {
        id: "clients-attempts-late-one-is-told-what-was-before",
        from: "const late = isForLate ? [] : attempt.asked.slice(before)",
        to: "const late = isForLate || before >= 0 ? [] : attempt.asked.slice(before)",
        breaks: ["R-CLI-9"]
      }
    ]
  ),
  ...faultsIn(
    "src/actors/clients/commands.ts",
    { breaks: ["R-CLI-5"], tests: ["test/unit/actors/clients/ClientChecks.test.ts"] },
    [
      {
        id: "clients-commands-deleted-is-not-announced",
        from: "  events.revoked(workspace, gone, caller)\n",
        to: ""
      }
    ]
  ),
  ...faultsIn("src/actors/audit/Repairs.ts", { breaks: ["P8", "R-AUD-6"], tests: [`${audit}/Repairs.test.ts`] }, [
    {
      id: "audit-repair-note-that-nobody-signed",
      from: 'signer.verify(note.key_id, noteBytes(row, note.lost), Buffer.from(note.signature, "base64url"), null) &&',
      to: "note.signature.length > 0 &&"
    }
  ]),
  ...faultsIn(
    "src/actors/audit/Acceptances.ts",
    { breaks: ["P8", "R-AUD-10"], tests: [`${audit}/Acceptances.test.ts`] },
    [
      {
        id: "audit-acceptance-of-any-head",
        from: "if (!isSame(last, lost)) return yield* refused",
        to: "if (last.seq < 0) return yield* refused"
      },
      {
        id: "audit-acceptance-of-nothing-lost",
        from: "if (last === null || found === null) return yield* refused",
        to: "if (last === null) return yield* refused"
      }
    ]
  ),
  ...faultsIn(
    "src/actors/platform/Told.ts",
    { breaks: ["R-PLT-5"], tests: ["test/unit/actors/platform/Told.test.ts"] },
    [
      {
        id: "platform-told-failed-was-never-read",
        from: "(systems.get(system)?.readAt ?? null)",
        to: "null"
      },
      {
        id: "platform-told-refused-just-now-is-forgotten",
        from: "if (of === system && at < before)",
        to: "if (of === system)"
      }
    ]
  ),
  ...faultsIn(
    "src/actors/platform/WithdrawalSweep.ts",
    { breaks: ["R-SEC-30"], tests: ["test/integration/service/unreadableRows.test.ts"] },
    [
      {
        id: "platform-withdrawals-one-holds-all-up",
        from: "Effect.catchDefect((defect) =>",
        to: "Effect.catchIf(\n          (): boolean => false,\n          (defect) =>"
      },
      {
        id: "platform-withdrawals-bad-ones-stand-before-the-others",
        from: 'after = found.length < applicationsMax ? "" : found.at(-1)!.appName',
        to: 'after = found.length < 0 ? found.at(-1)!.appName : ""',
        tests: ["test/unit/actors/platform/WithdrawalSweep.test.ts"]
      },
      {
        id: "platform-withdrawals-bad-ones-do-not-rest",
        from: "if (resting.size < restingMax) resting",
        to: "if (resting.size > restingMax) resting",
        tests: ["test/unit/actors/platform/WithdrawalSweep.test.ts"]
      },
      {
        id: "platform-withdrawals-bad-ones-rest-for-ever",
        from: "if (until <= now) resting.delete",
        to: "if (until <= 0) resting.delete",
        tests: ["test/unit/actors/platform/WithdrawalSweep.test.ts"]
      },
      {
        id: "platform-withdrawals-bad-ones-fill-the-log",
        from: "yield* lines.tell(Effect.annotateLogs(line, { appName, tenantId }))",
        to: "yield* Effect.annotateLogs(line, { appName, tenantId })",
        tests: ["test/unit/actors/platform/WithdrawalSweep.test.ts"]
      }
    ]
  ),
  ...faultsIn("src/actors/audit/Sweeps.ts", { breaks: ["P8", "R-AUD-9"], tests: [`${audit}/Cuts.test.ts`] }, [
    {
      id: "audit-sweep-refusals-of-a-gone-tenant-are-counted-on",
      from: '        refusals.written(batch)\n        yield* Effect.logWarning("counted refusals of a tenant that is gone"',
      to: '        yield* Effect.logWarning("counted refusals of a tenant that is gone"',
      breaks: ["R-SEC-13"],
      tests: ["test/unit/actors/credentials/Sweeps.test.ts"]
    },
    {
      id: "audit-sweep-refusals-of-a-removed-tenant-go",
      from: "  onRemovedTenant: true,\n",
      to: "",
      breaks: ["R-SEC-13"],
      tests: ["test/unit/actors/credentials/Sweeps.test.ts"]
    },
    {
      id: "audit-sweep-refusals-wait-untold",
      from: "if (waiting > 0) yield* Effect.logWarning(",
      to: "if (waiting < 0) yield* Effect.logWarning(",
      breaks: ["R-SEC-13"],
      tests: ["test/unit/actors/credentials/Sweeps.test.ts"]
    },
    {
      id: "audit-sweep-refusals-lost-untold",
      from: "return lost === 0\n",
      to: "return lost >= 0\n",
      breaks: ["R-SEC-13"],
      tests: ["test/unit/actors/credentials/Sweeps.test.ts"]
    },
    {
      id: "audit-sweep-refusals-written-at-once",
      from: "now - windowMs)",
      to: "now)",
      breaks: ["R-SEC-13"],
      tests: ["test/unit/actors/credentials/Sweeps.test.ts"]
    },
    {
      id: "audit-sweep-refusals-that-wait-count-as-written",
      from: "return done.length - waiting",
      to: "return done.length",
      breaks: ["R-SEC-13"],
      tests: ["test/unit/actors/credentials/Sweeps.test.ts"]
    },
    {
      id: "audit-sweep-one-cut-holds-all-up",
      from: '.pipe(unlessItDies("a tenant\'s cut", 0, diedLines), Effect.annotateLogs({ tenantId }))',
      to: "",
      breaks: ["R-SEC-30"]
    },
    {
      id: "audit-sweep-bad-cuts-stand-before-the-others",
      from: 'cutsAfter = found.length < pieceMax ? "" : found.at(-1)!',
      to: 'cutsAfter = found.length < 0 ? found.at(-1)! : ""',
      breaks: ["R-SEC-30"]
    },
    {
      id: "audit-sweep-bad-cuts-end-the-turn",
      from: 'if (cutsAfter !== "") return found.length',
      to: 'if (cutsAfter !== "" && found.length < 0) return found.length',
      breaks: ["R-SEC-30"]
    },
    {
      id: "audit-sweep-long-cut-before-bad-ones-waits",
      from: 'if (cutsAfter !== "") return found.length',
      to: 'if (cutsAfter !== "") return (cutRows = 0) || found.length',
      breaks: ["R-SEC-30"]
    },
    {
      id: "audit-sweep-bad-cuts-fill-the-log",
      from: '.pipe(unlessItDies("a tenant\'s cut", 0, diedLines)',
      to: '.pipe(unlessItDies("a tenant\'s cut", 0)',
      breaks: ["R-SEC-30"]
    },
    {
      id: "audit-retention-erases-untold",
      from: "    yield* notes.row(globalTenantId, caller, Cuts.actOf(piece.stub, piece.publicKey))\n    yield* cuts.cut(piece.stub)\n    return true\n",
      to: "    yield* cuts.cut(piece.stub)\n    return true\n"
    },
    {
      id: "audit-sweep-nothing-left-is-nothing-lost",
      from: "(known?.seq ?? 0) === seq && (known === null || known.hash === hash)",
      to: "(seq === 0 || (known?.seq === seq && known.hash === hash))",
      breaks: ["P8", "R-AUD-3"],
      tests: [`${audit}/Forgery.test.ts`]
    }
  ]),
  ...faultsIn("src/actors/audit/Verification.ts", { breaks: ["R-SEC-15"], tests: [`${audit}/Verification.test.ts`] }, [
    {
      id: "audit-verification-beyond-its-time",
      from: "if (nowMs() - startedMs + 2 * longestMs > timeoutMs) {",
      to: "if (nowMs() - startedMs > 10 * timeoutMs) {"
    },
    {
      id: "audit-verification-goes-on-a-row-late",
      from: "nextFrom: place.seq + 1 })",
      to: "nextFrom: place.seq + 2 })"
    }
  ]),
  ...faultsIn(
    "src/crypto/LiveKeyring.ts",
    { breaks: ["R-SEC-47", "R-BUS-5"], tests: ["test/unit/crypto/FingerprintRotation.test.ts"] },
    [
      {
        id: "crypto-keyring-former-fingerprints-are-forgotten",
        from: "Array.from(now.fingerprintKeys.values(), (key) => fingerprintWith(key, parts))",
        to: "Array.from(now.fingerprintKeys.values(), (key) => fingerprintWith(key, parts)).slice(0, 1)"
      }
    ]
  ),
  ...faultsIn("src/schema/TektonJson.ts", { breaks: ["R-PLT-4"], tests: ["test/unit/schema/TektonJson.test.ts"] }, [
    {
      id: "schema-tekton-wrong-length-is-the-usual-one",
      from: '  if (length === undefined) return { problem: "ep-token.length',
      to: '  if (length === undefined && alphabetOf(given) !== undefined) return { problem: "ep-token.length'
    },
    {
      id: "schema-tekton-unknown-keys-are-not-named",
      from: '...unknownIn(epToken, ["length", "alphabet", "default-lifetime"], "ep-token.")',
      to: '...unknownIn(epToken, Object.keys(epToken), "ep-token.")'
    }
  ]),
  ...faultsIn(
    "src/observability/Trace.ts",
    { breaks: ["R-TRC-1"], tests: ["test/unit/observability/tracing.test.ts"] },
    [
      { id: "observability-trace-of-any-version", from: "/^00-(?!0{32})", to: "/^[0-9a-f]{2}-(?!0{32})" },
      { id: "observability-trace-of-zeros", from: "(?!0{32})([0-9a-f]{32})", to: "([0-9a-f]{32})" }
    ]
  ),
  ...faultsIn(
    "src/actors/tokens/commands/applications.ts",
    { breaks: ["R-DUR-5", "P8"], tests: ["test/unit/actors/tokens/LiveTenants.test.ts"] },
    [
      {
        id: "tokens-tenant-created-without-a-row",
        from: "    workspace.record(caller, tenantCreated(tenantId, name))\n",
        to: ""
      }
    ]
  ),
  ...faultsIn("src/http/BoundedBody.ts", { breaks: ["R-INP-7", "P6"], tests: ["test/unit/http/BoundedBody.test.ts"] }, [
    {
      id: "http-body-announced-size-is-the-bound",
      from: "    if (bytes > bytesMax) throw",
      to: '    if (bytes > Math.max(bytesMax, Number(announced ?? "0"))) throw'
    }
  ])
]
