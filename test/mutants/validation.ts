/** Faults in `src/actors/validation`: the hot path, and the misses. */
import { faultsIn, type Mutant } from "./Mutant.ts"

const unit = "test/unit/actors/validation"
const live = `${unit}/LiveValidator.test.ts`
const model = "test/unit/coherence/protocol.test.ts"
const p1 = ["P1", "R-REV-1"]

const written = { tests: [`${unit}/writtenVerdicts.test.ts`] }

export const validation: ReadonlyArray<Mutant> = [
  ...faultsIn(
    "src/actors/validation/ValidationPath.ts",
    { breaks: ["R-TOK-2"], tests: ["test/unit/actors/validation/LiveValidator.test.ts"] },
    [
      {
        id: "validation-late-before-unreadable",
        from: 'if (refusal !== null) return names(request, frame) === "undecodable" ? reply.undecodable : refusal',
        to: "if (refusal !== null) return refusal"
      },
      {
        id: "validation-long-ones-wait-without-bound",
        from: "if (!this.long.enter(length)) return reply.tooMany",
        to: "this.long.enter(length)",
        breaks: ["R-INP-2"]
      },
      {
        id: "validation-written-for-any-tenant",
        from: "if (!isActive || tenants[hot.tenantIndex(ref)]!.tenantId !== tenantId) return false",
        to: "if (!isActive || tenants[hot.tenantIndex(ref)]!.tenantId === undefined || tenantId === undefined) return false",
        ...written
      },
      {
        id: "validation-written-active-before-its-first-use",
        from: "const isActive = (hot.flags(ref) & inactiveFlag) === 0 && wall < hot.expiresAt(ref)",
        to: "const isActive = wall < hot.expiresAt(ref)",
        ...written
      },
      {
        id: "validation-written-beyond-its-end",
        from: "(hot.flags(ref) & inactiveFlag) === 0 && wall < hot.expiresAt(ref)",
        to: "(hot.flags(ref) & inactiveFlag) === 0 && wall <= hot.expiresAt(ref)",
        ...written
      },
      {
        id: "validation-written-without-the-lease",
        from: "const ref = this.findHot(this.options.lease.holds(this.monotonic, wall))",
        to: "const ref = this.findHot(true)",
        ...written,
        breaks: p1
      },
      {
        id: "validation-written-is-no-use",
        from: "if (isWritten) this.noteUse(ref, wall)",
        to: "if (isWritten) void wall",
        ...written
      },
      {
        id: "validation-written-bug-is-the-batch-s",
        from: "      this.options.onBug(bug)\n    }\n    return isWritten",
        to: "      this.options.onBug(bug)\n      throw bug\n    }\n    return isWritten",
        ...written
      }
    ]
  ),
  ...faultsIn(
    "src/actors/validation/HotState.ts",
    { breaks: [...p1, "R-REV-4"], tests: [`${unit}/HotState.test.ts`, live, model] },
    [
      {
        id: "validation-state-covered-falls",
        from: "tenant.coveredSeq = Math.max(tenant.coveredSeq, readSeq)",
        to: "tenant.coveredSeq = readSeq",
        breaks: [...p1, "R-REV-7"]
      },
      {
        id: "validation-state-application-beyond-the-limit-forgotten",
        from: "if (application.index < 0) tenant.epochSeq = Math.max(tenant.epochSeq, seq)\n          else application.remove(seq)",
        to: "if (application.index >= 0) application.remove(seq)",
        breaks: [...p1, "R-REV-7"]
      },
      {
        id: "validation-state-suspended-is-kept",
        from: "if (!isUsable(token.status) || isPast(",
        to: "if (!isUsable(token.status) && isPast("
      },
      {
        id: "validation-state-covered-by-an-older-generation",
        from: "sentGeneration === 0 || sentGeneration !== this.lease.generation",
        to: "sentGeneration === 0"
      },
      {
        id: "validation-state-removed-tenant-believed",
        from: '        case "tenant":\n          tenant.epochSeq = Math.max(tenant.epochSeq, seq)\n',
        to: '        case "tenant":\n'
      },
      {
        id: "validation-state-revoked-client-believed",
        from: "this.tombstones.bury(tenant, target.credentialId, seq)",
        to: "this.tombstones.bury(tenant, target.kind, seq)",
        breaks: ["P1", "R-CLI-3"],
        tests: ["test/unit/actors/clients/ClientChecks.test.ts"]
      },
      { id: "validation-state-older-row-wins", from: "if (same !== 0 && isOlder(", to: "if (same < 0 && isOlder(" },
      {
        id: "validation-state-new-token-stays-unknown",
        from: "this.records.findTenant(appearance.tenantId)?.negatives.forgetAll()",
        to: "",
        breaks: ["R-TOK-2"]
      },
      {
        id: "validation-state-not-found-outlives-a-change",
        from: "    tenant.negatives.forgetAll()\n",
        to: "",
        breaks: ["R-TOK-2"]
      }
    ]
  ),
  ...faultsIn("src/actors/validation/HotTable.ts", { breaks: ["R-TOK-9"], tests: [`${unit}/HotTable.test.ts`] }, [
    {
      id: "validation-hot-first-word-not-compared",
      from: "      if (cells[at + 1] !== h0) continue\n",
      to: "",
      breaks: p1
    },
    {
      id: "validation-hot-owner-not-brought-up-to-date",
      from: "    this.tenantOfApplication[entry.applicationIndex] = entry.tenantIndex\n",
      to: "    this.tenantOfApplication[entry.applicationIndex] ??= entry.tenantIndex\n",
      breaks: ["P6"]
    },
    {
      id: "validation-hot-place-of-one-that-went-stands-twice",
      from: "const listed = words[word + flagsWord]! & listedFlag",
      to: "const listed = 0",
      breaks: ["R-TOK-9", "P6"]
    }
  ]),
  ...faultsIn("src/actors/validation/NotedUses.ts", { breaks: ["R-TOK-9"], tests: [`${unit}/HotTable.test.ts`] }, [
    {
      id: "validation-hot-use-by-a-clock-set-far-cut-off",
      from: "    if (after !== (after | 0)) {",
      to: "    if (after === Number.POSITIVE_INFINITY) {"
    },
    {
      id: "validation-hot-uses-counted-from-the-first-for-ever",
      from: "    this.countFromLater(take)\n",
      to: ""
    },
    {
      id: "validation-hot-uses-taken-stay-in-the-list",
      from: "    if (this.taken >= takenMax || this.taken === this.refs.length) {",
      to: "    if (this.taken === this.refs.length) {"
    },
    {
      id: "validation-hot-uses-empty-places-are-handed-out",
      from: "      if ((flags & dirtyFlag) === 0) continue\n      handedOut++\n",
      to: "      handedOut++\n",
      tests: [`${unit}/HotTable.test.ts`, `${unit}/LiveValidatorLayer.test.ts`]
    },
    {
      id: "validation-hot-uses-that-went-are-counted",
      from: "    this.count--\n    take(",
      to: "    if (take !== this.onLeft) this.count--\n    take("
    },
    {
      id: "validation-hot-uses-looks-at-any-number-of-places",
      from: "Math.min(this.taken + lookedMax, this.refs.length)",
      to: "this.refs.length",
      breaks: ["R-TOK-9", "P6"]
    },
    {
      id: "validation-hot-uses-each-leaves-a-place",
      from: "if ((flags & listedFlag) === 0) this.refs.push(ref)",
      to: "this.refs.push(ref)",
      breaks: ["R-TOK-9", "P6"]
    },
    {
      id: "validation-hot-uses-taken-one-is-listed-for-ever",
      from: "words[word] = flags & ~listedFlag",
      to: "words[word] = flags"
    }
  ]),
  ...faultsIn("src/actors/validation/SipHash.ts", { breaks: p1, tests: [`${unit}/SipHash.test.ts`] }, [
    { id: "validation-sip-length-left-out", from: "(length & 0xff) << 24", to: "0" },
    {
      id: "validation-sip-rest-where-the-last-one-was",
      from: "if ((word & 1) === 1) words[word++] = rest | last",
      to: "if ((word & 1) === 1) words[word++] = last"
    }
  ]),
  ...faultsIn("src/actors/validation/SipHashProgram.ts", { breaks: p1, tests: [`${unit}/SipHash.test.ts`] }, [
    { id: "validation-sip-one-round-for-a-word", from: "...rounds(2), ", to: "...rounds(1), " },
    { id: "validation-sip-second-half-is-the-first", from: "...into(1, big(0xddn)), ...rounds(4), ", to: "" }
  ]),
  ...faultsIn("src/actors/validation/RefIndex.ts", { breaks: p1, tests: [`${unit}/HotTable.test.ts`] }, [
    {
      id: "validation-index-removal-leaves-a-gap",
      from: "if (distance(home, at, size) >= distance(hole, at, size)) {",
      to: "if (distance(home, at, size) > distance(hole, at, size)) {"
    },
    {
      id: "validation-index-grows-to-the-double",
      from: "Math.ceil(segment.size * growth)",
      to: "segment.size",
      breaks: ["P6"]
    }
  ]),
  ...faultsIn("src/actors/validation/Tombstones.ts", { breaks: ["R-REV-7"], tests: [`${unit}/Tombstones.test.ts`] }, [
    {
      id: "validation-tombstones-trimmed-without-a-trace",
      from: "      tenant.coveredSeq = Math.max(tenant.coveredSeq, seq)\n",
      to: "",
      breaks: [...p1, "R-REV-7"]
    },
    {
      id: "validation-tombstones-without-bound",
      from: "if (this.count > this.max) this.trimLargest()",
      to: "if (this.count > 2 * this.max) this.trimLargest()"
    },
    {
      id: "validation-tombstones-of-one-tenant-without-bound",
      from: "if (tombstones.size > this.perTenantMax)",
      to: "if (tombstones.size > 2 * this.perTenantMax)"
    },
    {
      id: "validation-tombstones-counted-twice",
      from: "if (!tombstones.delete(tokenId)) this.count++",
      to: "tombstones.delete(tokenId)\n    this.count++"
    },
    {
      id: "validation-tombstones-taken-from-everybody",
      from: "if (size > share) return share",
      to: "if (size > share) return 0"
    },
    {
      id: "validation-tombstones-older-one-wins",
      from: "this.seqOf(tenant, tokenId) >= seq",
      to: "this.seqOf(tenant, tokenId) === seq",
      breaks: p1
    },
    { id: "validation-tombstones-count-is-not-given-back", from: "    this.count--\n", to: "" }
  ]),
  ...faultsIn("src/actors/validation/Waiter.ts", { breaks: ["R-LIM-3"], tests: [`${unit}/Waiter.test.ts`] }, [
    {
      id: "validation-waiter-of-bytes-answered-twice",
      from: "      answered = true\n      respond(",
      to: "      respond(",
      breaks: ["R-TOK-2"]
    },
    {
      id: "validation-waiter-of-texts-answered-twice",
      from: "      answered = true\n      // Only",
      to: "      // Only",
      breaks: ["R-TOK-2"]
    },
    {
      id: "validation-waiter-leaves-twice",
      from: "      isWaiting = false\n",
      to: ""
    },
    {
      id: "validation-waiter-keeps-what-was-read",
      from: "new Uint8Array(request.subarray(correlationStart, correlationEnd))",
      to: "request.slice(correlationStart, correlationEnd)"
    },
    { id: "validation-waiter-asker-keeps-its-message", from: "      keepLittle?.()\n", to: "" },
    {
      id: "validation-waiter-copies-what-is-not-held",
      from: "if (correlationEnd - correlationStart > heldBytesMax) return",
      to: "if (correlationEnd - correlationStart > 2 * heldBytesMax) return",
      breaks: ["R-INP-2"]
    },
    {
      id: "validation-waiter-never-leaves",
      from: "      if (isWaiting) left()\n",
      to: "",
      breaks: ["R-INP-2"],
      tests: [`${live}#long correlation ids`]
    }
  ]),
  ...faultsIn(
    "src/actors/validation/Misses.ts",
    { breaks: ["R-BUS-9", "P6"], tests: [`${unit}/Misses.test.ts`, live] },
    [
      {
        id: "validation-idle-name-asked-for-hangs",
        from: "      this.options.onSome?.()\n      this.directory.ask(question.appName",
        to: "      this.directory.ask(question.appName",
        tests: [`${unit}/LiveValidatorLayer.test.ts`]
      },
      {
        id: "validation-idle-name-wished-for-hangs",
        from: "      this.options.onSome?.()\n      this.directory.wish(appName)",
        to: "      this.directory.wish(appName)",
        tests: [`${unit}/LiveValidatorLayer.test.ts`]
      },
      {
        id: "validation-idle-token-asked-for-hangs",
        from: "    this.options.onSome?.()\n    if (open",
        to: "    if (open",
        tests: [`${unit}/LiveValidatorLayer.test.ts`]
      },
      {
        id: "validation-idle-with-questions-open",
        from: "return this.count > 0 || ",
        to: "return ",
        tests: [`${unit}/LiveValidatorLayer.test.ts`]
      },
      {
        id: "validation-idle-with-names-asked-for",
        from: "this.count > 0 || this.directory.isWaiting || ",
        to: "this.count > 0 || ",
        tests: [`${unit}/LiveValidatorLayer.test.ts`]
      },
      {
        id: "validation-idle-on-refusals",
        from: "this.directory.isWaiting || this.withNegatives.size > 0",
        to: "this.directory.isWaiting",
        tests: [`${unit}/LiveValidatorLayer.test.ts`]
      },
      {
        id: "validation-idle-swept-all-the-time",
        from: "this.count > 0 || this.directory.isWaiting",
        to: "this.count >= 0 || this.directory.isWaiting",
        breaks: ["R-RUN-16"],
        tests: [`${unit}/LiveValidatorLayer.test.ts`]
      },
      {
        id: "validation-misses-one-place-of-several-given-back",
        from: "for (const { tenant } of waiting) tenant.waiting--",
        to: "waiting[0]!.tenant.waiting--"
      },
      {
        id: "validation-misses-drain-counts-one",
        from: "this.left(waiting.length)",
        to: "this.left(1)",
        breaks: ["R-DUR-2"]
      },
      {
        id: "validation-misses-joined-request-costs-rate",
        from: "(open === undefined && !this.mayAskOneMore(tenant))",
        to: "!this.mayAskOneMore(tenant)",
        breaks: ["R-ACT-5"]
      },
      {
        id: "validation-misses-one-more-than-the-bound",
        from: "tenant.waiting >= this.perTenantMax",
        to: "tenant.waiting > this.perTenantMax"
      },
      {
        id: "validation-misses-last-asker-decides-use",
        from: "used ||= !foreign && !waiter.dryRun",
        to: "used = !foreign && !waiter.dryRun",
        breaks: ["R-TOK-3", "R-TOK-9"]
      },
      {
        id: "validation-misses-first-use-untold",
        from: 'if (token.status === "Inactive") firstUses',
        to: 'if (token.status === "Active") firstUses',
        breaks: ["R-TOK-3"]
      },
      {
        id: "validation-misses-other-tenants-token",
        from: "this.answer(waiter, foreign ? reply.unknownApplication : answer, now)",
        to: "this.answer(waiter, answer, now)",
        breaks: ["R-ACC-7"]
      },
      {
        id: "validation-misses-refused-keeps-its-request",
        from: "this.options.hold(waiter.keepLittle(), tell)",
        to: "this.options.hold(0, tell)",
        breaks: ["R-LIM-3"]
      },
      {
        id: "validation-misses-too-many-told-at-once",
        from: "this.count >= this.options.settings.missesMax) this.refuse(question.waiter)",
        to: "this.count >= this.options.settings.missesMax) this.answer(question.waiter, reply.tooMany, now)",
        breaks: ["R-LIM-3"]
      },
      {
        id: "validation-misses-whose-it-is-stays-unknown",
        from: "      this.directory.wish(appName)\n",
        to: "",
        breaks: ["R-LIM-3"]
      },
      {
        id: "validation-misses-located-keeps-its-place",
        from: "    } finally {\n      this.left(1)\n    }",
        to: "    } finally {\n      this.left(0)\n    }"
      }
    ]
  ),
  ...faultsIn("src/actors/validation/Negatives.ts", { breaks: ["R-TOK-2"], tests: [live] }, [
    {
      id: "validation-negatives-late-answer-kept",
      from: "if (epoch !== this.epoch) return",
      to: "if (epoch > this.epoch) return"
    },
    {
      id: "validation-negatives-kept-ten-times-longer",
      from: "export const negativeMs = 1_000",
      to: "export const negativeMs = 10_000"
    }
  ]),
  ...faultsIn("src/actors/validation/Directory.ts", { breaks: p1, tests: [live, `${unit}/Directory.test.ts`] }, [
    {
      id: "validation-directory-bug-is-a-database-that-is-away",
      from: "const isAway = cause instanceof StoreUnavailable",
      to: "const isAway = cause !== null",
      breaks: ["R-TOK-2"]
    },
    {
      id: "validation-directory-removed-meanwhile-is-known",
      from: "if (changes === this.changes && application.index >= 0) {",
      to: "if (application.index >= 0) {"
    },
    {
      id: "validation-directory-of-another-generation",
      from: "known !== undefined && known.generation === this.options.generation()",
      to: "known !== undefined && known.generation >= 0"
    },
    {
      id: "validation-directory-places-stay-taken",
      from: "this.waitingCount -= callbacks.length",
      to: "this.waitingCount -= 1",
      breaks: ["R-BUS-9"]
    },
    {
      id: "validation-directory-wishes-take-all-places",
      from: "if (this.waitingCount < wishedMax && !this.waiting.has(appName)) this.ask",
      to: "if (this.waitingCount < namesWaitingMax) this.ask",
      breaks: ["R-BUS-9"]
    },
    {
      id: "validation-directory-new-application-stays-unknown",
      from: "        this.changes++\n        this.unknown.delete(appName)",
      to: "        this.changes++\n        this.unknown.has(appName)",
      breaks: ["R-TOK-2"]
    }
  ]),
  ...faultsIn(
    "src/actors/validation/MissQueue.ts",
    { breaks: [...p1, "R-REV-5"], tests: [live, `${unit}/MissLines.test.ts`] },
    [
      {
        id: "validation-queue-bug-is-a-database-that-is-away",
        from: "if (!(cause instanceof StoreUnavailable)) throw cause",
        to: "if (cause === null) throw cause",
        breaks: ["R-TOK-2"]
      },
      {
        id: "validation-queue-covered-by-generation-of-the-answer",
        survives:
          "a renewal after a time without a lease begins another generation, so what was covered without one counts for nothing",
        from: "const sentGeneration = leaseHolds ? generation() : 0",
        to: "const sentGeneration = leaseHolds ? generation() : generation()"
      },
      {
        id: "validation-queue-unusable-from-the-shared-cache",
        from: "if (!isUsable(token.status)) continue",
        to: 'if (!isUsable(token.status) && token.status === "Inactive") continue'
      },
      {
        id: "validation-queue-other-tenants-entry",
        from: "token.tenantId === miss.application.tenant.tenantId && beliefs",
        to: "token.tenantId.length > 0 && beliefs",
        breaks: ["R-ACC-7"]
      },
      {
        id: "validation-queue-changed-row-is-used",
        from: "else if (keyring.rowHolds(row.tag?.mac, RowTags.ofHotToken(row))) {",
        to: "else if (keyring.rowHolds(row.tag?.mac, RowTags.ofHotToken(row)) || row.version >= 0) {",
        breaks: ["R-SEC-30"]
      },
      {
        id: "validation-queue-old-keys-say-unknown",
        from: 'keyring.isCurrent() ? "unknown" : "unavailable"',
        to: 'keyring.isCurrent() ? "unknown" : "unknown"',
        breaks: ["R-SEC-17"]
      },
      {
        id: "validation-queue-overdue-is-waited-for",
        from: "if (statement.sentAt > overdue) continue",
        to: "if (statement.sentAt >= 0) continue",
        breaks: ["R-BUS-10", "P10"]
      }
    ]
  ),
  ...faultsIn("src/actors/validation/Misses.ts", { breaks: ["R-ACT-5", "P6"], tests: [`${unit}/Misses.test.ts`] }, [
    {
      id: "validation-misses-one-tenant-has-all-places",
      from: "Math.min(settings.missesPerTenantMax, Math.ceil(settings.missesMax / 2))",
      to: "settings.missesPerTenantMax"
    },
    {
      id: "validation-misses-bug-is-a-limit",
      from: "      this.options.onBug(bug)\n      this.answerAll(waiting, reply.broken, now)",
      to: "      this.options.onBug(bug)\n      this.answerAll(waiting, reply.tooMany, now)",
      breaks: ["R-TOK-2"]
    }
  ]),
  ...faultsIn("src/actors/validation/HotState.ts", { breaks: ["P1", "R-REV-4"], tests: [`${unit}/HotState.test.ts`] }, [
    {
      id: "validation-state-keeps-what-has-no-record",
      from: "    if (application.index < 0) return\n    hot.put",
      to: "    hot.put"
    }
  ]),
  ...faultsIn("src/actors/validation/Sequences.ts", { breaks: ["R-SEC-30"], tests: [`${unit}/HotState.test.ts`] }, [
    {
      id: "validation-sequence-removal-of-before-stays",
      from: "    for (const application of tenant.applications.values()) application.epochSeq = 0\n",
      to: ""
    },
    { id: "validation-sequence-tenants-end-of-before-stays", from: "    tenant.epochSeq = 0\n", to: "" }
  ]),
  ...faultsIn(
    "src/actors/validation/MissLines.ts",
    { breaks: ["R-BUS-9", "P6"], tests: [`${unit}/MissLines.test.ts`] },
    [
      {
        id: "validation-lines-first-tenant-takes-all",
        from: "let left = alone ? max - taken.length : 1",
        to: "let left = alone ? max - taken.length : max"
      },
      {
        id: "validation-lines-sent-is-joined",
        from: "    if (!Array.isArray(alike) || alike.length === 1) this.byHash.delete(miss.h0)\n",
        to: "    if (!Array.isArray(alike)) return\n    if (alike.length === 1) this.byHash.delete(miss.h0)\n",
        breaks: ["P1", "R-REV-5"],
        tests: [`${unit}/MissLines.test.ts`, live]
      },
      {
        id: "validation-lines-who-waits-is-let-go-too",
        from: "      this.misses = misses.slice(this.head)\n      this.head = 0\n",
        to: "      this.misses = misses.slice(this.head)\n",
        breaks: ["R-TOK-2", "P6"]
      }
    ]
  ),
  ...faultsIn("src/actors/validation/ValidationPath.ts", { breaks: p1, tests: [live] }, [
    {
      id: "validation-path-hit-is-not-tested",
      from: "return ref !== 0 && beliefs.believesHot(ref, true) ? ref : 0",
      to: "return ref"
    },
    {
      id: "validation-path-hit-without-lease",
      from: "if (!leaseHolds) return 0",
      to: "if (!leaseHolds && this.hits < 0) return 0"
    },
    {
      id: "validation-path-end-exclusive",
      from: "if (wall >= hot.expiresAt(ref))",
      to: "if (wall > hot.expiresAt(ref))",
      breaks: ["R-TOK-4"]
    },
    {
      id: "validation-path-turn-without-end",
      from: "    queueMicrotask(this.endTurn)\n",
      to: "",
      breaks: [...p1, "R-TOK-4"]
    },
    {
      id: "validation-path-other-tenants-hit",
      from: "if (waiter !== null && waiter.tenantId !== null && waiter.tenantId !== tenantId)",
      to: "if (waiter !== null && waiter.tenantId !== null && waiter.dryRun && waiter.tenantId !== tenantId)",
      breaks: ["R-ACC-7"]
    },
    {
      id: "validation-path-dry-run-is-a-use",
      from: "waiter !== null && !waiter.dryRun) this.noteUse",
      to: "waiter !== null) this.noteUse",
      breaks: ["R-TOK-3", "R-TOK-9"]
    },
    {
      id: "validation-path-told-for-ever",
      from: "if (ref !== 0) beliefs.hot.setTold(ref, false)",
      to: "if (ref < 0) beliefs.hot.setTold(ref, false)",
      breaks: ["R-TOK-3"]
    },
    {
      id: "validation-path-hot-one-told-again",
      from: "      hot.setTold(ref, true)\n",
      to: "",
      breaks: ["R-TOK-3"]
    },
    {
      id: "validation-path-use-of-what-is-not-written",
      from: "if (isWritten) this.noteUse(ref, wall)",
      to: "this.noteUse(ref, wall)",
      breaks: ["R-TOK-9"],
      tests: [`${unit}/writtenVerdicts.test.ts`]
    },
    {
      id: "validation-path-written-is-answered-twice",
      from: "      this.options.onBug(bug)\n    }\n    return isWritten",
      to: "      this.options.onBug(bug)\n      return false\n    }\n    return isWritten",
      breaks: ["R-TOK-2"],
      tests: [`${unit}/writtenVerdicts.test.ts`]
    }
  ]),
  ...faultsIn(
    "src/actors/validation/KnownTenants.ts",
    { breaks: ["R-BUS-14"], tests: [`${unit}/KnownTenants.test.ts`] },
    [
      { id: "validation-tenants-read-in-another-generation", from: "      sentIn === generation() &&\n", to: "" },
      {
        id: "validation-tenants-removed-meanwhile",
        from: "removalsBefore === removals &&",
        to: "removalsBefore <= removals &&"
      },
      {
        id: "validation-tenants-known-after-a-lapse",
        from: "now() < found.until && found.generation === generation()",
        to: "now() < found.until"
      },
      {
        id: "validation-tenants-removed-is-served",
        from: "tenant !== undefined && tenant.removedAt === null\n\n",
        to: "tenant !== undefined && tenant.removedAt !== 0\n\n"
      },
      {
        id: "validation-tenants-joined-not-found-is-final",
        from: "isServed(found) ? Effect.succeed(true) : Effect.map(ask(tenantId), isServed)",
        to: "isServed(found) ? Effect.succeed(true) : Effect.succeed(false)"
      }
    ]
  ),
  ...faultsIn(
    "src/actors/validation/LimitsKeeper.ts",
    { breaks: ["R-LIM-1"], tests: [`${unit}/LimitsKeeper.test.ts`] },
    [
      {
        id: "validation-limits-a-bug-ends-a-start",
        from: "Effect.catchDefect((defect) =>",
        to: "Effect.catch((defect: unknown) =>",
        breaks: ["P10", "R-SEC-30"]
      },
      {
        id: "validation-limits-older-word-undoes",
        from: "else if (seq > (newest.get(tenantId) ?? 0)) {",
        to: "else if (seq > 0) {"
      },
      {
        id: "validation-limits-read-before-a-change",
        from: "(before === changes ? found : null)",
        to: "(before <= changes ? found : null)"
      },
      {
        id: "validation-limits-first-page-only",
        from: "isOver = after === null",
        to: "isOver = after !== null || isOver || after === null"
      }
    ]
  ),
  ...faultsIn(
    "src/actors/validation/LiveValidator.ts",
    { breaks: ["R-TOK-9"], tests: [`${unit}/LiveValidatorLayer.test.ts`] },
    [
      {
        id: "validation-counts-are-not-told",
        from: '  yield* every("validation metrics", metricsEvery, makePublish(path.counts))\n',
        to: "  void [metricsEvery, makePublish]\n",
        breaks: ["P10"]
      },
      {
        id: "validation-drained-before-the-refused-know",
        from: "path.quiet().then(() => Effect.runPromiseWith(context)(refusals.end))",
        to: "path.quiet()",
        breaks: ["P6", "R-LIM-3"]
      },
      {
        id: "validation-uses-failed-piece-dropped",
        from: "    if (!written) keep()\n",
        to: ""
      },
      {
        id: "validation-uses-flushed-without-an-end",
        from: "    if (taken.length === 0) return\n",
        to: "",
        breaks: ["R-TOK-9", "R-DUR-2"]
      },
      {
        id: "validation-uses-of-hot-tokens-not-found-behind-empty-places",
        from: "if (wanted === 0 || hot.usesNoted === 0) return",
        to: "if (wanted >= 0) return"
      },
      {
        id: "validation-uses-written-as-they-come",
        from: "left -= taken.length",
        to: "left = uses.count"
      },
      {
        id: "validation-uses-written-without-a-pause",
        from: "const flushShare = 0.1",
        to: "const flushShare = 10",
        breaks: ["R-TOK-9"]
      },
      {
        id: "validation-uses-of-hot-tokens-wait-for-all-others",
        from: "Math.max(usesPerCallMax - uses.count, hotPerCall)",
        to: "usesPerCallMax - uses.count"
      },
      {
        id: "validation-uses-not-flushed-at-the-end",
        from: "yield* Effect.addFinalizer(() => flushLast)",
        to: "yield* Effect.addFinalizer(() => Effect.void)"
      },
      {
        id: "validation-uses-keep-answers-waiting-in-a-stop",
        from: "Effect.runPromiseWith(context)(refusals.end)",
        to: "Effect.runPromiseWith(context)(Effect.andThen(refusals.end, flushLast))",
        breaks: ["R-DUR-2"]
      },
      {
        id: "validation-uses-keep-a-stop-waiting",
        from: "const lastFlushFor = Duration.seconds(5)",
        to: "const lastFlushFor = Duration.seconds(200)",
        breaks: ["R-DUR-2"]
      },
      {
        id: "validation-uses-of-a-silent-store-keep-a-stop-waiting",
        from: "          duration: leftMs,\n",
        to: "          duration: 100 * leftMs,\n",
        breaks: ["R-DUR-2"]
      },
      {
        id: "validation-uses-in-hand-are-lost-in-a-stop",
        from: ".pipe(Effect.onInterrupt(() => Effect.sync(keep)))",
        to: ""
      },
      {
        id: "validation-uses-left-are-not-told",
        from: "return count === 0 ? Effect.void",
        to: "return count >= 0 ? Effect.void"
      }
    ]
  ),
  ...faultsIn(
    "src/actors/validation/Uses.ts",
    { breaks: ["R-TOK-9"], tests: [`${unit}/Uses.test.ts`, live, `${unit}/LiveValidatorLayer.test.ts`] },
    [
      { id: "validation-uses-go-back", from: "if (known < usedAt)", to: "if (known !== usedAt)" },
      {
        id: "validation-uses-without-bound",
        from: "this.waiting.size < usesWaitingMax",
        to: "this.waiting.size < 2 * usesWaitingMax",
        breaks: ["P6", "R-TOK-9"]
      }
    ]
  ),
  ...faultsIn("src/actors/validation/FirstUse.ts", { breaks: ["R-TOK-3"], tests: [live] }, [
    { id: "validation-first-use-told-each-time", from: "    this.told.add(tokenId)\n", to: "" }
  ])
]
