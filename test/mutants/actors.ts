/** Faults in the other rooms of actors: audit, clients, credentials, keys, platform; and of refreshes in `src/rotation`. */
import { faultsIn, type Mutant } from "./Mutant.ts"

const audit = "test/unit/actors/audit"
const checks = "test/unit/actors/clients/ClientChecks.test.ts"
const credentials = "test/unit/actors/credentials/LiveCredentials.test.ts"
const sweeps = "test/unit/actors/credentials/Sweeps.test.ts"
const rules = "test/unit/actors/credentials/Rules.test.ts"
const keys = "test/unit/actors/keys/LiveKeys.test.ts"
const refresher = "test/unit/rotation/LiveRefresher.test.ts"

export const actors: ReadonlyArray<Mutant> = [
  ...faultsIn(
    "src/actors/tenant/RememberedAnswer.ts",
    { breaks: ["P1", "R-SEC-30"], tests: ["test/unit/actors/tenant/GroupCommit.test.ts"] },
    [{ id: "tenant-answer-of-a-changed-row", from: "return said === says ?", to: "return said !== undefined ?" }]
  ),
  ...faultsIn(
    "src/actors/tenant/GroupCommit.ts",
    { breaks: ["P1", "R-SEC-30"], tests: ["test/unit/actors/tenant/GroupCommit.test.ts"] },
    [
      {
        id: "tenant-answer-time-unsaid",
        from: "`${fingerprint}/${revocationSeq}/${createdAt}`",
        to: "`${fingerprint}/${revocationSeq}`"
      },
      {
        id: "tenant-answer-sequence-unsaid",
        from: "`${fingerprint}/${revocationSeq}/${createdAt}`",
        to: "`${fingerprint}/${createdAt}`"
      }
    ]
  ),
  ...faultsIn(
    "src/rotation/LiveRotator.ts",
    { breaks: ["P5", "R-SEC-30"], tests: ["test/unit/actors/credentials/RotatorFields.test.ts"] },
    [
      {
        id: "rotation-rotator-reading-unbelieved",
        from: "Effect.as(believeCredential(standing.credential, keyring, changedRows), standing)",
        to: "Effect.succeed(standing)"
      },
      {
        id: "rotation-rotator-unopened-secret-untold",
        from: '          Effect.tapErrorTag("RowChanged", (error) => tellChanged(tenantId, error, changedRows)),\n',
        to: "",
        breaks: ["R-SEC-30"],
        tests: ["test/unit/rotation/LiveRotator.test.ts#is rotated by nobody"]
      },
      {
        id: "rotation-step-begins-in-a-stop",
        from: "!stops && now_ !== undefined",
        to: "(!stops || claim.term > 0) && now_ !== undefined",
        breaks: ["R-REF-25"]
      },
      {
        id: "rotation-step-not-given-back-in-a-stop",
        from: "      if (yield* job.stops) {\n",
        to: "      if (!(yield* job.stops)) {\n",
        breaks: ["R-REF-25"]
      }
    ]
  ),
  ...faultsIn("src/actors/credentials/RotationChange.ts", { breaks: ["P5", "R-SEC-30"], tests: [refresher] }, [
    {
      id: "credentials-own-provider-forgotten",
      from: "refresh?.own === true && refresh.provider === name",
      to: "refresh?.own === true && refresh.provider !== name"
    },
    {
      id: "credentials-own-rotator-forgotten",
      from: "rotating?.own === true && rotating.rotator === rotator",
      to: "rotating?.own === true && rotating.rotator !== rotator",
      tests: ["test/unit/actors/credentials/RotatorFields.test.ts"]
    }
  ]),
  ...faultsIn("src/actors/credentials/Rotation.ts", { breaks: ["R-REF-7"], tests: [refresher] }, [
    {
      id: "credentials-rotate-set-up-for-another-provider",
      from: "setup?.provider.name !== before.refresh?.provider",
      to: "setup?.provider.name !== before.refresh?.provider && setup === null"
    }
  ]),
  ...faultsIn("src/actors/credentials/LiveCredentials.ts", { breaks: ["R-REF-9"], tests: [refresher] }, [
    {
      id: "credentials-waited-for-twice",
      from: "          hasWaited = true\n",
      to: ""
    },
    {
      id: "credentials-places-reader-keeps-its-own",
      from: "whileWaiting(refresher.settled(credential.tenantId, credential.credentialId, caller))",
      to: "refresher.settled(credential.tenantId, credential.credentialId, caller)",
      breaks: ["R-ACT-2", "P6"]
    },
    {
      id: "credentials-places-rotation-keeps-its-own",
      from: "whileWaiting(\n          refresher.refresh(",
      to: "(\n          refresher.refresh(",
      breaks: ["R-ACT-2", "P6"]
    }
  ]),
  ...faultsIn("src/actors/credentials/LiveCredentials.ts", { breaks: ["P5", "R-SEC-30"], tests: [refresher] }, [
    {
      id: "credentials-by-hand-reading-unbelieved",
      from: `yield* believeCredential(credential, keyring, changedRows)
    const { refresh, rotating, rotation, type, version } = credential`,
      to: "const { refresh, rotating, rotation, type, version } = credential"
    }
  ]),
  ...faultsIn(
    "src/actors/credentials/Rotators.ts",
    { breaks: ["P5", "R-SEC-30"], tests: ["test/unit/actors/credentials/RotatorFields.test.ts"] },
    [
      {
        id: "credentials-rotator-any-of-that-name",
        from: "own && entry?.tenantId !== tenantId",
        to: "own && entry === undefined"
      }
    ]
  ),
  ...faultsIn(
    "src/actors/credentials/ProviderCommands.ts",
    { breaks: ["R-REF-7", "P6"], tests: ["test/unit/actors/credentials/Providers.test.ts"] },
    [
      {
        id: "credentials-provider-one-more-than-the-bound",
        from: "workspace.credentials.providerCount() >= providersMax",
        to: "workspace.credentials.providerCount() > providersMax"
      }
    ]
  ),
  ...faultsIn(
    "src/actors/credentials/RotationChange.ts",
    { breaks: ["R-ROT-1"], tests: ["test/unit/actors/credentials/RotationChange.test.ts"] },
    [
      {
        id: "credentials-rotation-new-interval-is-due-at-once",
        from: "nextRotationAt: Math.max(workspace.now, from + everyMs)",
        to: "nextRotationAt: Math.min(workspace.now, from + everyMs)",
        tests: ["test/unit/actors/credentials/RotatorFields.test.ts"]
      },
      {
        id: "credentials-rotation-generations-outrun-the-clock",
        from: "Math.max(generation, term) <= afterForgotten(now)",
        to: "Math.min(generation, term) <= afterForgotten(now)"
      },
      {
        id: "credentials-rotation-generations-begin-again",
        from: "const forgotten = afterForgotten(workspace.now)",
        to: "const forgotten = afterForgotten(0)"
      },
      {
        id: "credentials-rotation-leaves-its-secrets-to-a-provider",
        file: "src/actors/credentials/Commands.ts",
        from: "  forgetRotation(workspace, before)\n  const first",
        to: "  const first"
      },
      {
        id: "credentials-rotation-second-rotator-forgets-the-grants",
        file: "src/actors/credentials/Commands.ts",
        from: "const formerRefresh = before.refresh ?? before.formerRefresh",
        to: "const formerRefresh = before.refresh",
        breaks: ["P7", "R-REF-24"]
      },
      {
        id: "credentials-rotation-gone-entry-of-any-name",
        from: "refresh?.own === true && refresh.provider === name",
        to: "refresh?.own === true && name !== undefined",
        breaks: ["R-ROT-1", "R-SEC-30"]
      },
      {
        id: "credentials-rotation-entry-deleted-meanwhile",
        from: "return found === undefined\n",
        to: "return found === null\n",
        breaks: ["R-REF-5", "R-ROT-5"],
        tests: ["test/unit/actors/credentials/RotatorFields.test.ts"]
      }
    ]
  ),
  ...faultsIn(
    "src/actors/tenant/CredentialWorkspace.ts",
    { breaks: ["R-SEC-8", "R-SEC-10"], tests: ["test/unit/actors/tenant/CredentialWorkspace.test.ts"] },
    [
      {
        id: "credentials-workspace-tenant-switches-nothing-global",
        from: "new Set([this.tenantId, credential.tenantId === globalTenantId ? globalTenantId : this.tenantId])",
        to: "new Set([credential.tenantId === globalTenantId ? globalTenantId : this.tenantId])"
      },
      {
        id: "credentials-workspace-any-global-owner",
        from: '          : ownerKey(credential.owner) === "")',
        to: "          : credential.tenantId === globalTenantId)",
        breaks: ["P5", "R-SEC-10"]
      },
      {
        id: "credentials-workspace-provider-put-and-deleted",
        from: "    this.providersDeleted.delete(entry.name)\n",
        to: "",
        breaks: ["R-REF-5"]
      },
      {
        id: "credentials-workspace-provider-of-a-moment-ago-is-unused",
        from: "this.providersInUse.has(name) || this.isNamed(({ refresh }) => refresh?.provider === name)",
        to: "this.providersInUse.has(name)",
        breaks: ["R-REF-5"]
      },
      {
        id: "credentials-workspace-rotator-of-a-moment-ago-is-unused",
        from: "this.rotatorsInUse.has(name) || this.isNamed(({ rotating }) => rotating?.rotator === name)",
        to: "this.rotatorsInUse.has(name)",
        breaks: ["R-ROT-5"]
      }
    ]
  ),
  ...faultsIn(
    "src/actors/credentials/LiveCredentials.ts",
    {
      breaks: ["R-REF-12"],
      tests: ["test/integration/refresh/refresh.test.ts#that is refused for good says so to who needs a secret"]
    },
    [
      {
        id: "credentials-pending-does-not-say-for-what",
        from: "...(state === undefined ? {} : { state })",
        to: '...(state !== "fresh" ? {} : { state })'
      },
      {
        id: "credentials-get-hands-out-what-runs-out",
        from: "credential.expiresAt - now < minTtlMs",
        to: "credential.expiresAt - now < 0 * minTtlMs",
        breaks: ["R-REF-9"],
        tests: ["test/integration/refresh/refresh.test.ts#is waited for by who needs a secret that lives"]
      }
    ]
  ),
  ...faultsIn(
    "src/actors/credentials/Providers.ts",
    { breaks: ["R-REF-7"], tests: ["test/unit/actors/credentials/Providers.test.ts"] },
    [
      {
        id: "credentials-provider-any-of-that-name",
        from: "own && stored?.entry.tenantId !== tenantId",
        to: "own && stored === undefined",
        breaks: ["P5", "R-SEC-30"],
        tests: ["test/unit/rotation/LiveRefresher.test.ts"]
      },
      {
        id: "credentials-provider-any-client-key",
        from: "secrets.clientKey !== null && !isPrivateKey(secrets.clientKey)",
        to: 'secrets.clientKey === "" && !isPrivateKey(secrets.clientKey)'
      },
      {
        id: "credentials-provider-host-is-a-parameter-so-anything",
        file: "src/actors/credentials/ProviderUrls.ts",
        from: "const reason = writtenUrlProblem(url) ?? (isOpen ? null :",
        to: "const reason = (isOpen ? null : writtenUrlProblem(url)) ?? (isOpen ? null :",
        breaks: ["R-REF-6", "R-REF-7"]
      }
    ]
  ),
  ...faultsIn(
    "src/actors/audit/RefusalLedger.ts",
    { breaks: ["R-SEC-13", "R-AUD-4"], tests: [`${audit}/RefusalLedger.test.ts`] },
    [
      {
        id: "audit-ledger-empty-counts-are-kept",
        from: "if (named === 0) this.named.delete(group)",
        to: "if (named < 0) this.named.delete(group)",
        breaks: ["P6"]
      },
      {
        id: "audit-ledger-any-number-of-ids",
        from: "(this.named.get(group) ?? 0) < this.idsMax",
        to: "(this.named.get(group) ?? 0) <= this.idsMax",
        breaks: ["R-AUD-4"]
      },
      {
        id: "audit-ledger-unwritten-is-lost",
        from: "      this.put(key, { ...(meanwhile ?? part), since: part.since, count })\n",
        to: "      if (count < 0) this.put(key, { ...(meanwhile ?? part), since: part.since, count })\n"
      },
      {
        id: "audit-ledger-in-doubt-is-counted-again",
        from: "if (out === undefined || out.inDoubt) return",
        to: "if (out === undefined) return"
      },
      {
        id: "audit-ledger-undone-is-counted",
        from: "undo: () => this.change(key, -1) }",
        to: "undo: () => this.change(key, 0) }"
      },
      { id: "audit-ledger-batch-of-any-length", from: "all.slice(at, at + batchRowsMax)", to: "all.slice(at)" }
    ]
  ),
  ...faultsIn(
    "src/actors/audit/Checkpoints.ts",
    { breaks: ["P8", "R-AUD-3"], tests: [`${audit}/Forgery.test.ts`, `${audit}/Verification.test.ts`] },
    [
      {
        id: "audit-checkpoint-not-good-is-signed-on",
        from: "signedBytes(stored), stored.signature, stored.at)) {",
        to: "signedBytes(stored), stored.signature, stored.at) && stored.seq === 0) {"
      },
      {
        id: "audit-checkpoint-head-is-not-reached",
        from: "return place.hash === head.hash ? null :",
        to: "return place.hash.length === head.hash.length ? null :"
      },
      {
        id: "audit-checkpoint-shorter-than-signed",
        from: "if (head.seq < place.seq) return",
        to: "if (head.seq < place.seq - 1_000) return"
      },
      {
        id: "audit-checkpoint-nothing-left-is-nothing-lost",
        from: "if (head.seq === 0 && last === null) return",
        to: "if (head.seq === 0) return"
      },
      {
        id: "audit-checkpoint-signed-is-signed-anew",
        from: "if (stored?.seq === head.seq) return",
        to: "if (stored?.seq === head.seq && stored.number === 0) return"
      }
    ]
  ),
  ...faultsIn("src/actors/audit/Cuts.ts", { breaks: ["P8", "R-AUD-8"], tests: [`${audit}/Cuts.test.ts`] }, [
    {
      id: "audit-cut-by-any-stub",
      from: "if (!signer.verify(stub.keyId, stubBytes({ ...stub, tenantId }), stub.signature, stub.at)) {",
      to: "if (stub.last < 0 && !signer.verify(stub.keyId, stubBytes({ ...stub, tenantId }), stub.signature, stub.at)) {"
    },
    {
      id: "audit-cut-where-it-is-broken",
      from: '    if (found !== null) return { _tag: "Broken", broken: found } satisfies Piece\n',
      to: '    if (found !== null && found.seq < 0) return { _tag: "Broken", broken: found } satisfies Piece\n'
    },
    {
      id: "audit-cut-row-of-the-bound-too",
      from: "Math.min(before.seq - 1, head.seq)",
      to: "Math.min(before.seq, head.seq)"
    },
    {
      id: "audit-cut-not-borne-out",
      from: "if (stub === null || !(yield* isBorneOut(stub))) return 0",
      to: "if (stub === null) return 0\n    yield* isBorneOut(stub)"
    }
  ]),
  ...faultsIn(
    "src/actors/audit/AuditNotes.ts",
    { breaks: ["R-AUD-5", "R-SEC-13"], tests: [`${audit}/AuditNotes.test.ts`] },
    [
      {
        id: "audit-notes-failed-row-stays-counted",
        from: "Exit.isSuccess(exit) ? Effect.void : Effect.sync(noting.forget)",
        to: "Exit.isSuccess(exit) ? Effect.sync(noting.forget) : Effect.void"
      }
    ]
  ),
  ...faultsIn("src/actors/clients/ClientChecks.ts", { breaks: ["P1", "R-CLI-3"], tests: [checks] }, [
    {
      id: "clients-checks-revoked-while-hashed",
      from: "if (hot.believes(found, leaseHolds())) return found",
      to: "if (hot.believes(found, leaseHolds()) || found.readSeq >= 0) return found"
    },
    {
      id: "clients-checks-of-another-tenant",
      from: "tenantId === null || owner === tenantId",
      to: 'tenantId === null || owner !== ""',
      breaks: ["R-CLI-2", "R-ACC-7"]
    },
    {
      id: "clients-checks-unknown-without-a-hash",
      from: "const isRight = yield* passwords.verify(password, found?.credential.passwordHash ?? null)",
      to: "const isRight = found !== undefined && (yield* passwords.verify(password, found.credential.passwordHash))",
      breaks: ["R-CLI-2"]
    },
    {
      id: "clients-checks-a-changed-row-says-what-a-hash-costs",
      from: "row !== undefined && holds(row) ? row : undefined",
      to: "row",
      breaks: ["P6", "R-SEC-30"]
    },
    {
      id: "clients-checks-rate-is-not-taken",
      from: "? answer : tooMany\n",
      to: '? answer : tenantId === "" ? tooMany : answer\n',
      breaks: ["R-CLI-8"]
    },
    {
      id: "clients-checks-any-password-is-hot",
      from: "      timingSafeEqual(known.fingerprint, fingerprint) &&\n",
      to: "      timingSafeEqual(known.fingerprint, known.fingerprint) &&\n",
      breaks: ["P5", "R-CLI-2"]
    }
  ]),
  ...faultsIn(
    "src/actors/clients/Attempts.ts",
    { breaks: ["R-CLI-8", "P6"], tests: ["test/unit/actors/clients/Attempts.test.ts", checks] },
    [
      {
        id: "clients-attempts-place-stays-taken",
        from: "          this.running--\n",
        to: "          this.running -= 0\n"
      },
      {
        id: "clients-attempts-newest-gives-way",
        from: "const chosen = candidates[this.options.random(candidates.length)] ?? attempt\n    if (chosen !== attempt) {\n      this.remove(chosen)",
        to: "const chosen = candidates[candidates.length - 1] ?? attempt\n    if (chosen !== attempt) {\n      this.remove(chosen)"
      },
      {
        id: "clients-attempts-one-name-takes-all",
        from: "ofName.length >= this.options.waitingPerNameMax",
        to: "ofName.length >= this.options.waitingMax"
      }
    ]
  ),
  ...faultsIn(
    "src/actors/clients/HotClients.ts",
    { breaks: ["P1", "R-CLI-3"], tests: [checks, "test/unit/actors/clients/HotClients.test.ts"] },
    [
      {
        id: "clients-hot-believed-without-a-test",
        from: "const found = this.byName.get(key)\n    return found !== undefined &&\n      this.beliefs.believesClient(found.tenant, found.credentialId, found.readSeq, leaseHolds)",
        to: "const found = this.byName.get(key)\n    return found !== undefined &&\n      (leaseHolds || this.beliefs.believesClient(found.tenant, found.credentialId, found.readSeq, leaseHolds))"
      },
      {
        id: "clients-hot-gone-stays",
        from: "clientGone: (_, credentialId) => this.drop(credentialId)",
        to: "clientGone: (_, credentialId) => void this.names.has(credentialId)"
      }
    ]
  ),
  ...faultsIn(
    "src/actors/clients/NameLookups.ts",
    { breaks: ["P6", "R-CLI-8"], tests: ["test/unit/actors/clients/NameLookups.test.ts", checks] },
    [
      {
        id: "clients-lookups-bug-is-a-database-that-is-away",
        from: "const isAway = cause instanceof StoreUnavailable",
        to: "const isAway = cause !== null"
      },
      { id: "clients-lookups-places-stay-taken", from: "this.count -= done.length", to: "this.count -= 1" },
      {
        id: "clients-lookups-statement-stays-sent",
        from: "    this.sent--\n",
        to: "    this.sent -= batch.length === 0 ? 1 : 0\n"
      }
    ]
  ),
  ...faultsIn(
    "src/actors/clients/commands.ts",
    {
      breaks: ["R-CLI-1"],
      tests: ["test/unit/protocols/clients.test.ts", checks, "test/integration/service/clients.test.ts"]
    },
    [
      {
        id: "clients-commands-changed-row-is-given-a-right",
        from: "isUsable(decision.to) && !workspace.holds.client(credentialId)",
        to: '(decision.to as string) === "" && !workspace.holds.client(credentialId)',
        breaks: ["P5", "R-SEC-30"],
        tests: [checks]
      },
      {
        id: "clients-commands-delete-any-version",
        from: "Result.map(findAt(workspace, credentialId, expectedVersion)",
        to: "Result.map(findAt(workspace, credentialId, null)"
      },
      {
        id: "clients-commands-suspended-without-barrier",
        from: "if (!isUsable(decision.to)) takeAway(workspace, after)",
        to: 'if (decision.to === "Revoked") takeAway(workspace, after)',
        breaks: ["P1", "R-CLI-3"]
      },
      {
        id: "clients-commands-one-over-the-limit",
        from: "workspace.clientStock >= max",
        to: "workspace.clientStock > max",
        breaks: ["R-LIM-2"]
      },
      {
        id: "clients-commands-record-shows-the-hash",
        from: "mac: _0, passwordHash: _1, reason: _2",
        to: "mac: _0, reason: _2",
        breaks: ["R-CLI-6", "P5"]
      }
    ]
  ),
  ...faultsIn("src/actors/credentials/Reads.ts", { breaks: ["P5", "R-SEC-5"], tests: [rules, credentials] }, [
    {
      id: "credentials-reads-changed-row",
      from: "if (!workspace.holds.credential(credentialId)) return credentialChanged(credentialId)",
      to: "if (!workspace.holds.credential(credentialId) && workspace.now < 0) return credentialChanged(credentialId)",
      breaks: ["R-SEC-30"]
    },
    {
      id: "credentials-reads-changed-tenant",
      from: ".find((id) => !workspace.holds.tenant(id))",
      to: '.find((id) => id === "" && !workspace.holds.tenant(id))',
      breaks: ["R-SEC-30"]
    },
    {
      id: "credentials-reads-without-a-row",
      from: '      workspace.record(caller, audit("credential.read", ',
      to: '      if (workspace.now < 0) workspace.record(caller, audit("credential.read", ',
      breaks: ["P8", "R-SEC-5"]
    },
    {
      id: "credentials-reads-refusal-without-a-row",
      from: "if (note(workspace.tenantId,",
      to: "if (!note(workspace.tenantId,",
      breaks: ["P8", "R-SEC-13"]
    }
  ]),
  ...faultsIn("src/actors/credentials/Rotation.ts", { breaks: ["R-SEC-8"], tests: [rules, credentials] }, [
    {
      id: "credentials-rotate-notices-stay-given",
      from: "      noticedMs: null\n",
      to: "      noticedMs: before.noticedMs\n",
      breaks: ["R-SEC-9"],
      tests: [rules, credentials, sweeps]
    },
    {
      id: "credentials-rotate-changed-row",
      survives:
        "the reading before the command compares the tag as well (`LiveCredentials`): a second fence, for a row changed in between",
      from: "if (!workspace.holds.credential(credentialId)) return Result.fail(credentialChanged(credentialId))",
      to: "if (!workspace.holds.credential(credentialId) && workspace.now < 0) return Result.fail(credentialChanged(credentialId))",
      breaks: ["R-SEC-30"]
    },
    {
      id: "credentials-rotate-overlaps-without-number",
      from: ">= versionsKeptMax) {",
      to: "> 2 * versionsKeptMax) {",
      breaks: ["R-LIM-4"],
      tests: [`${credentials}#keeps so many`]
    },
    {
      id: "credentials-rotate-overlap-without-end",
      survives: "an overlap that is too long is refused before the command is made (`LiveCredentials`): a second fence",
      from: "if (overlapMs > overlapMsMax) {",
      to: "if (overlapMs > 100 * overlapMsMax) {"
    }
  ]),
  ...faultsIn(
    "src/actors/credentials/Sweeps.ts",
    { breaks: ["R-SEC-9", "R-SEC-30"], tests: [`${sweeps}#are given by no row`] },
    [
      {
        id: "credentials-notice-changed-row-found-again",
        from: "found.filter(({ credentialId }) => !resting.has(credentialId))",
        to: "found.filter(({ credentialId }) => credentialId !== '')"
      },
      {
        id: "credentials-ends-behind-rows-that-stay",
        from: "after = isFull ? found.at(-1)!.place : null",
        to: "after = null",
        tests: [`${sweeps}#are not kept waiting`]
      },
      { id: "credentials-notice-behind-changed-rows", from: "pieceMax + resting.size", to: "pieceMax" }
    ]
  ),
  ...faultsIn("src/actors/credentials/Endings.ts", { breaks: ["R-SEC-9"], tests: [rules, sweeps] }, [
    {
      id: "credentials-notice-by-a-changed-row",
      from: "if (!workspace.holds.credential(credentialId)) {\n        changed",
      to: "if (!workspace.holds.credential(credentialId) && given < 0) {\n        changed",
      breaks: ["R-SEC-9", "R-SEC-30"],
      tests: [`${sweeps}#are given by no row`]
    },
    {
      id: "credentials-notice-is-not-remembered",
      from: "workspace.credentials.update({ ...own, noticedMs: due })",
      to: "workspace.credentials.update({ ...own, noticedMs: due < 0 ? due : own.noticedMs })"
    },
    {
      id: "credentials-notice-of-a-revoked-one",
      survives:
        "the store finds no revoked one to tell of: a second fence, for one that is revoked between the finding and the telling",
      from: 'if (own.state !== "active") continue\n      const { expiresAt, noticedMs: givenMs } = own',
      to: "const { expiresAt, noticedMs: givenMs } = own"
    },
    {
      id: "credentials-overlap-keeps-its-secret",
      from: 'state: "superseded", sealed: null, keyId: null }',
      to: 'state: "superseded" }',
      breaks: ["R-SEC-8", "P5"]
    }
  ]),
  ...faultsIn(
    "src/actors/credentials/Commands.ts",
    { breaks: ["R-SEC-6"], tests: [rules, credentials, "test/integration/service/credentials.test.ts"] },
    [
      {
        id: "credentials-store-one-over-the-limit",
        from: "workspace.credentialStock >= credentialsMax",
        to: "workspace.credentialStock > credentialsMax",
        breaks: ["R-ACT-5"]
      },
      {
        id: "credentials-update-forgets-what-was-refreshed",
        from: "const formerRefresh = before.refresh ?? before.formerRefresh",
        to: "const formerRefresh = before.formerRefresh",
        breaks: ["P7", "R-REF-24"],
        tests: [`${refresher}#taken away`]
      },
      {
        id: "credentials-update-of-an-ended-one",
        from: 'if (before.state === "expired" || hasRunOut(before, workspace.now)) {',
        to: 'if (before.state === "expired") {',
        breaks: ["R-SEC-8"]
      },
      {
        id: "credentials-update-notices-stay-given",
        from: "expiresAt === undefined || expiresAt === before.expiresAt ? before.noticedMs : null",
        to: "expiresAt === undefined || expiresAt !== before.expiresAt ? before.noticedMs : null",
        breaks: ["R-SEC-9"]
      },
      {
        id: "credentials-revoke-keeps-the-secret",
        from: 'Lifecycle.versionsAfterEnd(ending, "revoked", reason ?? "revoked")',
        to: 'Lifecycle.versionsAfterEnd(ending.slice(1), "revoked", reason ?? "revoked")',
        breaks: ["R-SEC-8", "P5"]
      }
    ]
  ),
  ...faultsIn("src/actors/credentials/DescribeCache.ts", { breaks: ["P4"], tests: [rules, credentials] }, [
    {
      id: "credentials-describe-marks-are-not-compared",
      from: "entry.marks.join() === marks.join()",
      to: "entry.marks.length === marks.length"
    },
    {
      id: "credentials-describe-owner-is-no-part",
      from: "[name.serviceName, ownerKey(name.owner)]",
      to: "[name.serviceName, typeof ownerKey(name.owner)]",
      breaks: ["P4", "R-SEC-10"]
    }
  ]),
  ...faultsIn("src/actors/credentials/Change.ts", { breaks: ["R-ACC-7"], tests: [rules, credentials] }, [
    {
      id: "credentials-any-version-is-expected",
      from: "expectedVersion !== null && expectedVersion !== credential.version",
      to: "expectedVersion !== null && expectedVersion > credential.version",
      breaks: ["P2", "R-BUS-4"]
    },
    { id: "credentials-end-that-is-now", from: "expiresAt <= now", to: "expiresAt < now", breaks: ["R-SEC-8"] }
  ]),
  ...faultsIn("src/actors/keys/commands.ts", { breaks: ["R-SEC-12", "P9"], tests: [keys] }, [
    {
      id: "keys-rotated-without-knowing-due",
      from: "      workspace.provisional()\n",
      to: "",
      breaks: ["R-ACT-1", "R-SEC-12"]
    },
    {
      id: "keys-active-one-is-retired",
      from: 'const why = key.state === "active" ? "active" : used',
      to: "const why = used",
      breaks: ["P9", "R-SEC-17"]
    }
  ]),
  ...faultsIn(
    "src/actors/platform/Upserted.ts",
    { breaks: ["R-PLT-12"], tests: ["test/unit/actors/platform/Wanted.test.ts"] },
    [
      {
        id: "platform-upserted-newest-is-given-up",
        from: "      if (names.size >= namesMax) names.delete(names.keys().next().value!)\n",
        to: "      if (names.size >= namesMax) return\n"
      }
    ]
  ),
  ...faultsIn(
    "src/actors/platform/Wanted.ts",
    { breaks: ["R-PLT-7", "R-PLT-12"], tests: ["test/unit/actors/platform/Wanted.test.ts"] },
    [
      {
        id: "platform-wanted-failed-is-forgotten",
        from: "        want(thing)\n        return Effect.fail(error)",
        to: "        return Effect.fail(error)"
      },
      {
        id: "platform-wanted-without-bound",
        from: "wanted.size >= wantedMax && !wanted.has(keyOf(thing))",
        to: "wanted.size >= 100 * wantedMax && !wanted.has(keyOf(thing))",
        breaks: ["P6"]
      }
    ]
  ),
  ...faultsIn(
    "src/actors/platform/endTenant.ts",
    { breaks: ["R-PLT-2"], tests: ["test/unit/actors/platform/endTenant.test.ts"] },
    [
      { id: "platform-end-older-word-ends", from: "if (!(yield* markEnded)) return", to: "yield* markEnded" },
      {
        id: "platform-end-not-in-force-is-undone",
        from: "NotYetInForce: (error) => Effect.andThen(markDone, Effect.fail(error))",
        to: "NotYetInForce: (error) => Effect.fail(error)"
      }
    ]
  ),
  ...faultsIn(
    "src/actors/credentials/RefreshCommands.ts",
    { breaks: ["P7", "R-REF-11"], tests: [`${refresher}#what an exchange brings`] },
    [
      {
        id: "credentials-refresh-ended-answer-lives",
        from: "const lives = expiresAt === null || expiresAt > now",
        to: "const lives = expiresAt === null || expiresAt > 0",
        breaks: ["R-REF-11", "R-SEC-8"],
        tests: [`${refresher}#ended by itself brings nothing back`]
      },
      {
        id: "credentials-refresh-aside-grant-not-held",
        from: "      holding = Life.withSpare(marked, { ...one, ...of })\n",
        to: "      holding = one.term < 0 ? Life.withSpare(marked, one) : marked\n"
      },
      {
        id: "credentials-refresh-aside-secret-not-sealed",
        from: "apart = { ...oldest, ...sealer.seal(credentialId, place, granted.secret, fingerprints) }",
        to: "apart = { ...sealer.seal(credentialId, place, granted.secret, fingerprints), ...oldest }"
      },
      {
        id: "credentials-refresh-aside-secret-stays",
        from: "const isOver = (spent || refused) &&",
        to: "const isOver = spent && refused &&"
      },
      {
        id: "credentials-refresh-revoked-one-is-due-again",
        from: '...(credential.state === "revoked" ? {} : { refreshDueAt })',
        to: "refreshDueAt",
        breaks: ["R-REF-17", "R-REF-22"],
        tests: [`${refresher}#does not begin`]
      },
      {
        id: "credentials-refresh-terms-begin-again",
        from: "    const term = lastTermOf(stored)\n",
        to: "    const term = Math.min(0, lastTermOf(stored))\n",
        breaks: ["P7", "R-REF-24"],
        tests: [`${refresher}#taken away`]
      },
      {
        id: "credentials-refresh-taken-up-without-its-secrets",
        from: "holding.spares.filter(({ version }) => sealed.has(version))",
        to: "holding.spares.filter(({ version }) => !sealed.has(version))",
        breaks: ["P7", "R-REF-24"],
        tests: [`${refresher}#taken away`]
      },
      {
        id: "credentials-refresh-taken-up-keeps-the-notice",
        from: "told: toldNothing, grantNoticedMs: null }",
        to: "told: toldNothing }",
        breaks: ["R-REF-24"],
        tests: [`${refresher}#named anew`]
      },
      {
        id: "credentials-refresh-not-given-back-while-away",
        from: "const refresh = credential?.refresh ?? credential?.formerRefresh",
        to: "const refresh = credential?.refresh",
        breaks: ["R-REF-22", "R-REF-24"],
        tests: [`${refresher}#does not begin`]
      },
      {
        id: "credentials-refresh-given-back-is-looked-at-at-once",
        from: "Math.max(at, workspace.now + giveBackPauseMs)",
        to: "Math.min(at, workspace.now + giveBackPauseMs)",
        breaks: ["R-REF-22"],
        tests: [`${refresher}#does not begin`]
      }
    ]
  ),
  ...faultsIn("src/rotation/AtWork.ts", { breaks: ["R-REF-23"], tests: ["test/unit/rotation/AtWork.test.ts"] }, [
    { id: "rotation-at-work-left-twice", from: "    if (!place.holds) return\n", to: "" },
    {
      id: "rotation-at-work-gone-ones-keep-their-turn",
      from: "if (!this.line.delete(place)) this.leave(place)",
      to: "this.leave(place)"
    },
    { id: "rotation-at-work-hurried-come-back-late", from: "if (place.hurried || place.holds)", to: "if (place.holds)" }
  ]),
  ...faultsIn(
    "src/actors/credentials/UnreadAnswers.ts",
    { breaks: ["P7", "R-REF-27"], tests: [`${refresher}#cannot be opened`, "test/integration/refresh/unread.test.ts"] },
    [
      {
        id: "credentials-unread-left-in-the-way",
        from: "    if (putsAside) putUnreadAside(workspace, known)\n",
        to: ""
      },
      {
        id: "credentials-unread-stands-in-a-persons-way",
        from: 'workspace.credentials.putVersion({ ...version, state: "spare", reason: "superseded" })',
        to: 'workspace.credentials.putVersion({ ...version, reason: "superseded" })'
      },
      {
        id: "credentials-unread-takes-a-terms-place",
        survives:
          "an answer takes the place of whatever is no grant that is held (isKeptAt), so what lies there is in nobody's way: a second fence. Without it a planted row stays until that term comes",
        from: "      workspace.credentials.deleteVersion(credentialId, version.version)\n",
        to: '      workspace.credentials.putVersion({ ...version, state: "spare" })\n',
        tests: [`${refresher}#cannot be opened`, "test/integration/refresh/unread.test.ts"]
      }
    ]
  ),
  ...faultsIn(
    "src/rotation/LiveRefresher.ts",
    { breaks: ["P7", "R-REF-8"], tests: ["test/integration/refresh/refresh.test.ts"] },
    [
      {
        id: "rotation-refresh-begins-without-a-last-look",
        file: "src/rotation/GrantExchange.ts",
        from: "if (!Life.mayBegin({ ...stands, unsettled: standing.versions.some(isAnswer) })) return null",
        to: "if (!Life.mayBegin({ ...stands, unsettled: standing.versions.some(isAnswer) }) && claim.term < 0) return null",
        breaks: ["P7", "R-REF-10"],
        tests: [`${refresher}#last look`, "test/integration/refresh/kills.test.ts"]
      },
      {
        id: "rotation-refresh-revokes-another-providers-answer",
        file: "src/rotation/RevokedGrants.ts",
        from: "if (giver !== null && !Life.isSameProvider(giver, refresh)) continue",
        to: "",
        breaks: ["R-REF-17", "R-REF-28"],
        tests: ["test/integration/refresh/otherProvider.test.ts"]
      },
      {
        id: "rotation-refresh-answer-is-not-settled-soon",
        file: "src/rotation/RefreshFlights.ts",
        from: "if (course.isKept && (isAway(cause) || Cause.hasDies(cause))) settleSoon(job)",
        to: "",
        breaks: ["P7", "R-REF-26"],
        tests: [`${refresher}#could not be settled`]
      },
      {
        id: "rotation-refresh-answer-waits-though-mariadb-is-back",
        file: "src/rotation/Ended.ts",
        from: '["Unavailable", "TooManyRequests"].includes(errorOf(cause)?._tag ?? "")',
        to: 'errorOf(cause)?._tag === "TooManyRequests"',
        breaks: ["P7", "R-REF-26"],
        tests: ["test/integration/refresh/settleSoon.test.ts"]
      },
      {
        id: "rotation-refresh-failure-behind-a-kept-answer-is-undone",
        file: "src/rotation/RefreshFlights.ts",
        from: "failed(course.isKept ? failedBehind(error) : error)",
        to: "failed(error)",
        tests: [`${refresher}#not called undone`]
      },
      {
        id: "rotation-refresh-look-that-fails-meanwhile-is-undone",
        file: "src/rotation/Ended.ts",
        from: 'new errors.Unavailable({ part: "database", committed: null })',
        to: 'new errors.Unavailable({ part: "database", committed: false })',
        tests: [`${refresher}#not called undone`]
      },
      {
        id: "rotation-refresh-answer-is-settled-soon-without-back-off",
        file: "src/rotation/RefreshFlights.ts",
        from: "settleSoon(asking, afterMs * 2)",
        to: "settleSoon(asking, afterMs)",
        breaks: ["R-REF-26"],
        tests: [`${refresher}#could not be settled`]
      },
      {
        id: "rotation-refresh-ends-with-the-stop",
        file: "src/rotation/RefreshFlights.ts",
        from: "Effect.asVoid, Effect.uninterruptible",
        to: "Effect.asVoid",
        tests: [`${refresher}#under way`]
      },
      {
        id: "rotation-refresh-answer-let-go",
        file: "src/rotation/GrantExchange.ts",
        from: ": Effect.andThen(Effect.sleep(keepAgainEvery), keepAnswer(tenantId, answer))",
        to: ": Effect.succeed(false)",
        tests: [`${refresher}#under way`]
      },
      {
        id: "rotation-refresh-answer-let-go-by-a-bug",
        file: "src/rotation/GrantExchange.ts",
        from: "Effect.andThen(Effect.sleep(keepAgainAfterBug), keepAnswer(tenantId, answer))",
        to: "Effect.succeed(false)",
        tests: [`${refresher}#under way`]
      },
      {
        id: "rotation-refresh-settles-only-its-own",
        file: "src/rotation/RefreshAttempt.ts",
        from: "      if (standing.versions.some(isAnswer)) {",
        to: "      if (mine !== null && standing.versions.some(isAnswer)) {",
        breaks: ["P7", "R-REF-10"],
        tests: [`${refresher}#under way`, "test/integration/refresh/kills.test.ts"]
      },
      {
        id: "rotation-refresh-each-caller-exchanges",
        file: "src/rotation/RefreshFlights.ts",
        from: "      if (under !== undefined) {\n        // What",
        to: "      if (under !== undefined && !asking.asked) {\n        // What",
        breaks: ["R-REF-8"],
        tests: [`${refresher}#ten who`]
      },
      {
        id: "rotation-refresh-claim-kept",
        file: "src/rotation/RefreshAttempt.ts",
        from: "begun ? comeBack(job) : giveBack(",
        to: "begun || claimed.claim.term > 0 ? Effect.void : giveBack(",
        breaks: ["P7", "R-REF-22"],
        tests: [`${refresher}#does not begin`, "test/integration/refresh/giveBack.test.ts"]
      },
      {
        id: "rotation-refresh-claim-given-back-though-it-began",
        file: "src/rotation/RefreshAttempt.ts",
        from: "      begun = true\n",
        to: "      begun = begun && true\n",
        breaks: ["P7", "R-REF-10"],
        tests: [`${refresher}#does not begin`, "test/integration/refresh/refresh.test.ts"]
      },
      {
        id: "rotation-refresh-another-claim-of-the-term-given-back",
        file: "src/rotation/RefreshAttempt.ts",
        from: "const holder = `${process}.${++claimCount}`",
        to: "const holder = `${process}`",
        breaks: ["P7", "R-REF-22"],
        tests: [`${refresher}#does not begin`]
      },
      {
        id: "rotation-refresh-unknown-claim-kept",
        file: "src/rotation/RefreshAttempt.ts",
        from: "if (isPerhapsDone(cause)) fork(",
        to: "if (!isPerhapsDone(cause)) fork(",
        breaks: ["R-REF-22"],
        tests: [`${refresher}#does not begin`]
      },
      {
        id: "rotation-refresh-waits-for-what-was-given-back",
        file: "src/rotation/RefreshAttempt.ts",
        from: "if (Life.wasGivenBack(refresh.grant, term)) return again",
        to: "if (Life.wasGivenBack(refresh.grant, term) && !job.asked) return again",
        breaks: ["R-REF-22"],
        tests: [`${refresher}#does not begin`]
      },
      {
        id: "rotation-refresh-all-at-work",
        file: "src/rotation/RefreshWork.ts",
        from: "new AtWork(atWorkMax)",
        to: "new AtWork(100 * atWorkMax)",
        breaks: ["R-REF-23"],
        tests: [`${refresher}#nobody waits for`]
      },
      {
        id: "rotation-refresh-waits-for-its-provider-at-work",
        file: "src/rotation/RefreshWork.ts",
        from: "const leave = ({ place }: Job) => Effect.sync(() => atWork.leave(place))",
        to: "const leave = ({ place }: Job) => Effect.sync(() => place.hurried && atWork.leave(place))",
        breaks: ["R-REF-23"],
        tests: [`${refresher}#nobody waits for`]
      },
      {
        id: "rotation-refresh-who-asks-waits-in-the-line",
        file: "src/rotation/RefreshFlights.ts",
        from: "if (asking.asked) hurry(under.job)",
        to: "if (asking.asked && under.job.asked) hurry(under.job)",
        breaks: ["R-REF-23"],
        tests: [`${refresher}#nobody waits for`]
      },
      {
        id: "rotation-refresh-begins-in-a-stop",
        file: "src/rotation/HeldTurns.ts",
        from: "return (yield* reaches(turn, known)) && !(yield* stopsBefore(job))",
        to: "return yield* reaches(turn, known)",
        breaks: ["P7", "R-REF-25"],
        tests: [`${refresher}#once the stop`]
      },
      {
        id: "rotation-revocation-begins-in-a-stop",
        file: "src/rotation/RevokedGrants.ts",
        from: "if (!(yield* again)) return null",
        to: "",
        breaks: ["R-REF-25"],
        tests: [`${refresher}#once the stop`]
      },
      {
        id: "rotation-refresh-stop-waits-for-a-pause",
        file: "src/rotation/RefreshFlights.ts",
        from: "? pause : Effect.raceFirst(pause, shutdown.requested)",
        to: "? pause : pause",
        breaks: ["R-REF-25", "R-REF-26"],
        tests: [`${refresher}#settled in a stop`]
      },
      {
        id: "rotation-refresh-stop-settles-without-a-pause",
        file: "src/rotation/RefreshFlights.ts",
        from: "yield* (yield* shutdown.isRequested) ? pause : Effect.raceFirst(pause, shutdown.requested)",
        to: "yield* Effect.raceFirst(pause, shutdown.requested)",
        breaks: ["R-REF-25", "R-REF-26"],
        tests: [`${refresher}#settled in a stop`]
      },
      {
        id: "rotation-refresh-stop-waits-for-a-bug",
        file: "src/rotation/RefreshFlights.ts",
        from: 'if (ended._tag === "Failed" && isAway(Cause.fail(ended.error))) settleSoon(asking)',
        to: "settleSoon(asking)",
        breaks: ["R-REF-25", "R-REF-26"],
        tests: [`${refresher}#settled in a stop`]
      },
      {
        id: "rotation-refresh-stop-settles-once",
        file: "src/rotation/RefreshFlights.ts",
        from: 'if (ended._tag === "Failed" && isAway(Cause.fail(ended.error))) settleSoon(asking)',
        to: "",
        breaks: ["R-REF-25", "R-REF-26"],
        tests: [`${refresher}#settled in a stop`]
      },
      {
        id: "rotation-refresh-bug-is-called-unavailable",
        file: "src/rotation/RefreshFlights.ts",
        from: "          died === undefined\n",
        to: "          died === undefined || job.asked\n",
        tests: [`${refresher}#met a bug`]
      },
      {
        id: "rotation-refresh-bug-is-kept-from-who-waits",
        from: "Effect.asVoid(Deferred.into(run, ended))",
        to: "Effect.asVoid(Effect.flatMap(run, (result) => Deferred.succeed(ended, result)))",
        tests: [`${refresher}#met a bug`]
      },
      {
        id: "rotation-revocation-hindered-by-what-is-planted",
        file: "src/rotation/RevokedGrants.ts",
        from: "        unread.push(version.version)\n        return Effect.succeed(null)\n",
        to: "        unread.push(version.version)\n        return openText(job.tenantId, version)\n",
        breaks: ["P5", "R-REF-17"],
        tests: [`${refresher}#a revocation at the provider`]
      },
      {
        id: "rotation-revocation-hindered-is-told-to-nobody",
        file: "src/rotation/RevokedGrants.ts",
        from: 'if (unread.length > 0) yield* tellUnread(job.tenantId, job.credentialId, unread, "not revoked")',
        to: 'if (unread.length > 9) yield* tellUnread(job.tenantId, job.credentialId, unread, "not revoked")',
        breaks: ["R-REF-17"],
        tests: [`${refresher}#a revocation at the provider`]
      },
      {
        id: "rotation-refresher-refused-token-keeps-the-others",
        file: "src/rotation/RevokedGrants.ts",
        from: 'if (came.failure !== null && came.result._tag !== "ok") break',
        to: "if (came.failure !== null) break",
        breaks: ["R-REF-17"],
        tests: [`${refresher}#a revocation at the provider`]
      },
      {
        id: "rotation-refresher-refused-token-forgotten",
        file: "src/rotation/RevokedGrants.ts",
        from: "failure: came.failure ?? next.failure }",
        to: "failure: next.failure }",
        breaks: ["R-REF-17"],
        tests: [`${refresher}#a revocation at the provider`]
      },
      {
        id: "rotation-refresher-revocation-asks-a-provider-that-is-down",
        file: "src/rotation/RevokedGrants.ts",
        from: 'if (came.failure !== null && came.result._tag !== "ok") break',
        to: "",
        breaks: ["R-REF-17"],
        tests: [`${refresher}#a revocation at the provider`]
      },
      {
        id: "rotation-revocation-of-a-part-is-whole",
        file: "src/rotation/RevokedGrants.ts",
        from: "came.failure === null && !isWhole ?",
        to: "came.failure === null && !isWhole && secrets.length === 0 ?",
        breaks: ["P5", "R-REF-17"],
        tests: [`${refresher}#a revocation at the provider`]
      },
      {
        id: "rotation-refresh-cut-keeps-its-claim",
        file: "src/rotation/RefreshAttempt.ts",
        from: "      begun = false\n",
        to: "      begun = begun || true\n",
        breaks: ["P7", "R-REF-22"],
        tests: [`${refresher}#once the stop`, `${refresher}#next secret cannot be tried`]
      },
      {
        id: "rotation-look-put-off-is-nobodys",
        file: "src/rotation/HealthWatch.ts",
        from: "if (seen === null) return yield* putOff(job)",
        to: "if (seen === null) return idle",
        breaks: ["R-REF-25"],
        tests: [`${refresher}#once the stop`]
      },
      {
        id: "rotation-refresh-put-off-is-nobodys",
        file: "src/rotation/RefreshWork.ts",
        from: "Effect.ignore(store.putBack(credentialId, 0))",
        to: "Effect.ignore(store.putBack(credentialId, 15_000))",
        breaks: ["R-REF-25"],
        tests: [`${refresher}#once the stop`]
      },
      {
        id: "rotation-refresh-stop-waits-for-no-giving-back",
        file: "src/rotation/GrantExchange.ts",
        from: "fork(Effect.delay(giveBack(job, known, holder, term, tries - 1), giveBackEvery))",
        to: "Effect.runFork(Effect.delay(giveBack(job, known, holder, term, tries - 1), giveBackEvery))",
        breaks: ["R-REF-25"],
        tests: [`${refresher}#once the stop`]
      },
      {
        id: "rotation-refresh-outlasts-its-turn",
        file: "src/rotation/HeldTurns.ts",
        from: "now + lastsMs <= until",
        to: "now <= until",
        breaks: ["R-REF-13"],
        tests: [`${refresher}#lasts too short`]
      },
      {
        id: "rotation-refresh-begins-after-its-turn",
        file: "src/rotation/HeldTurns.ts",
        from: "store.keepTurn(id, route, lastsMs), () => false)",
        to: "Effect.as(store.keepTurn(id, route, lastsMs), true), () => false)",
        breaks: ["R-REF-13"],
        tests: [`${refresher}#lasts too short`]
      },
      {
        id: "rotation-refresh-slow-exchange-is-no-doubt",
        from: "(grant.claim !== null && (yield* maySpend(job, credential)))",
        to: "(grant.claim !== null && !job.asked && (yield* maySpend(job, credential)))",
        breaks: ["R-REF-8"],
        tests: [`${refresher}#who asks for a refresh`]
      },
      {
        id: "rotation-refresh-slow-exchange-is-always-doubt",
        from: "|| Life.spends(rulesOf(found.success.provider))",
        to: "|| job.asked || Life.spends(rulesOf(found.success.provider))",
        breaks: ["R-REF-8"],
        tests: [`${refresher}#who asks for a refresh`]
      },
      {
        id: "rotation-refresh-what-ended-meanwhile-is-unavailable",
        from: "if (grant.isFinal) return",
        to: "if (grant.isFinal && !job.asked) return",
        breaks: ["R-REF-8"],
        tests: [`${refresher}#who asks for a refresh`]
      },
      {
        id: "rotation-refresh-turn-stays-taken",
        file: "src/rotation/HeldTurns.ts",
        from: "store.endTurn(id, route, result, chance)",
        to: "store.endTurn(-id, route, result, chance)",
        breaks: ["R-REF-13"],
        tests: [`${refresher}#ends with its exchange`]
      }
    ]
  ),
  ...faultsIn("src/rotation/LiveRefresher.ts", { breaks: ["R-REF-13"], tests: [`${refresher}#turn at a provider`] }, [
    {
      id: "rotation-refresh-keeps-its-turn-without-a-claim",
      file: "src/rotation/RefreshAttempt.ts",
      from: "    yield* endTurn(turn, known.route, noneAsked)\n",
      to: ""
    }
  ]),
  ...faultsIn("src/rotation/Clockwork.ts", { breaks: ["P2"], tests: ["test/unit/rotation/Clockwork.test.ts"] }, [
    {
      id: "rotation-clockwork-sweeps-with-anothers-claim",
      from: "if (mine) yield* work",
      to: "if (mine || !mine) yield* work"
    }
  ]),
  ...faultsIn(
    "src/rotation/LiveRefresher.ts",
    { breaks: ["R-REF-29"], tests: [`${refresher}#picked and can come to nothing`] },
    [
      {
        id: "rotation-refresh-changed-row-does-not-rest",
        file: "src/rotation/RefreshFlights.ts",
        from: "Effect.andThen(rest(job, course.version, restMs), () => {",
        to: "Effect.andThen(rest(job, course.version, 0), () => {"
      },
      {
        id: "rotation-refresh-unread-row-does-not-rest",
        file: "src/rotation/RefreshFlights.ts",
        from: "course.version === null ? rest(job, null, unreadRestMs) : Effect.void",
        to: "course.version !== null ? rest(job, null, unreadRestMs) : Effect.void"
      },
      {
        id: "rotation-refresh-nothing-to-refresh-stays-due",
        file: "src/rotation/RefreshAttempt.ts",
        from: "        yield* rest(job, credential.version, null)\n        return failed(",
        to: "        yield* rest(job, credential.version, 0)\n        return failed("
      },
      {
        id: "rotation-refresh-revoked-stays-due",
        file: "src/rotation/RefreshAttempt.ts",
        from: 'if (credential.refresh.atProvider !== "pending") {',
        to: 'if (credential.refresh.atProvider !== "pending" && now < 0) {'
      },
      {
        id: "rotation-refresh-unopened-secret-untold",
        file: "src/rotation/RefreshReading.ts",
        from: "(error) => tellChanged(tenantId, error, changedRows))",
        to: "() => Effect.void)"
      },
      {
        id: "rotation-refresh-each-death-is-a-line",
        file: "src/rotation/RefreshFlights.ts",
        from: "          deaths.tell,\n",
        to: ""
      }
    ]
  ),
  ...faultsIn(
    "src/rotation/DueSift.ts",
    { breaks: ["R-REF-29"], tests: [`${refresher}#picked and can come to nothing`] },
    [
      {
        id: "rotation-sift-is-not-made",
        from: "      isUnderWay = true\n",
        to: "      if (beganMs < nowMs) return Effect.void\n      isUnderWay = true\n"
      },
      {
        id: "rotation-sift-begins-anew-each-page",
        from: "    place = next\n",
        to: "    place = next && null\n",
        tests: ["test/unit/rotation/DueSift.test.ts"]
      },
      {
        id: "rotation-sift-again-at-once",
        from: "if (isUnderWay || (nowMs >= beganMs && nowMs - beganMs < everyMs)) return Effect.void",
        to: "if (isUnderWay) return Effect.void",
        tests: ["test/unit/rotation/DueSift.test.ts"]
      },
      {
        id: "rotation-sift-without-an-end",
        from: "pages < pagesMax",
        to: "pages < Number.MAX_SAFE_INTEGER",
        tests: ["test/unit/rotation/DueSift.test.ts"]
      }
    ]
  ),
  ...faultsIn(
    "src/rotation/StoredAnswers.ts",
    { breaks: ["P7", "R-REF-8"], tests: ["test/integration/refresh/refresh.test.ts"] },
    [
      {
        id: "rotation-refresh-answer-unread-is-not-noted",
        from: "unread.push(answer.version)",
        to: "return yield* opened.failure",
        breaks: ["P7", "R-REF-27"],
        tests: [`${refresher}#cannot be opened`]
      },
      {
        id: "rotation-refresh-keeps-the-old-type-of-token",
        from: "        ...(tokenType === null ? {} : { token_type: tokenType })\n",
        to: "",
        breaks: ["R-REF-3"],
        tests: [`${refresher}#puts all that the provider answered`]
      },
      {
        id: "rotation-refresh-own-answer-by-an-old-look",
        from: "settle(job, { ...request, seenVersion: version })",
        to: "settle(job, request)",
        breaks: ["R-REF-8"],
        tests: [`${refresher}#stored just now`]
      },
      {
        id: "rotation-refresh-own-answer-looked-at-again",
        from: "if (request.granted === null || request.failure !== null) return undefined",
        to: "if (request.granted === null || request.failure === null) return undefined",
        breaks: ["R-REF-23"],
        tests: [`${refresher}#stored just now`]
      },
      {
        id: "rotation-refresh-claimed-by-everybodys-rules",
        file: "src/actors/credentials/RefreshCommands.ts",
        from: "request.provider.name === refresh.provider && request.own === (refresh.own === true)",
        to: "request.provider.name === refresh.provider",
        breaks: ["P7", "R-REF-28"],
        tests: [`${refresher}#another provider's`]
      },
      {
        id: "rotation-refresh-read-by-everybodys-rules",
        from: "const isPresent = giver === null || Life.isSameProvider(giver, refresh)",
        to: "const isPresent = giver === null || giver.provider === refresh.provider",
        breaks: ["P7", "R-REF-28"],
        tests: [`${refresher}#another provider's`]
      },
      {
        id: "rotation-refresh-read-by-another-provider",
        from: "const isPresent = giver === null || Life.isSameProvider(giver, refresh)",
        to: "const isPresent = giver === null || giver.provider !== ''",
        breaks: ["P7", "R-REF-3"],
        tests: [`${refresher}#another provider's`]
      }
    ]
  ),
  ...faultsIn(
    "src/rotation/RefreshLoop.ts",
    { breaks: ["R-REF-23"], tests: ["test/unit/rotation/RefreshLoop.test.ts"] },
    [
      {
        id: "rotation-loop-takes-what-cannot-begin",
        from: "refresher.waitingUnsafe() > waitingMax",
        to: "refresher.waitingUnsafe() < 0"
      },
      {
        id: "rotation-loop-takes-in-a-stop",
        from: "if (yield* shutdown.isRequested) return false",
        to: "if ((yield* shutdown.isRequested) && piece < 0) return false",
        breaks: ["R-REF-25"]
      },
      { id: "rotation-loop-takes-more-than-a-piece", from: "if (room <= 0 ||", to: "if (room < -piece ||" }
    ]
  ),
  ...faultsIn(
    "src/actors/clients/usableRows.ts",
    { breaks: ["R-SEC-30"], tests: [checks, "test/integration/service/forgedRows.test.ts"] },
    [
      {
        id: "clients-usable-changed-row",
        from: "if (keyring.rowHolds(credential.mac, RowTags.ofClient(credential))) return true",
        to: "if (keyring.rowHolds(credential.mac, RowTags.ofClient(credential)) || credential.version > 0) return true"
      },
      {
        id: "clients-usable-whatever-its-state",
        from: "isGood(found.credential) && holds(found)",
        to: "holds(found)",
        breaks: ["P1", "R-CLI-1"],
        tests: [checks, "test/integration/service/clients.test.ts"]
      }
    ]
  )
]
