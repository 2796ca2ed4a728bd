/** Faults in `src/actors/tenant`: one writer a tenant. */
import { faultsIn, type Mutant } from "./Mutant.ts"

const unit = "test/unit/actors/tenant"
const commit = `${unit}/GroupCommit.test.ts`
const tenants = "test/unit/actors/tokens/LiveTenants.test.ts"
const commands = "test/unit/actors/tokens/tokenCommands.test.ts"
const pieces = "test/unit/actors/tokens/pieces.test.ts"

export const tenant: ReadonlyArray<Mutant> = [
  ...faultsIn("src/actors/tenant/GroupCommit.ts", { breaks: ["P2"], tests: [commit, tenants] }, [
    {
      id: "tenant-unreadable-row-fails-its-group",
      from: "else if (error.isPassing === false && group.length > 1) return singly(tenantId, group)",
      to: "else if (error.isPassing === false && group.length > 1_000_000) return singly(tenantId, group)"
    },
    {
      id: "tenant-commit-waits-in-vain-for-nothing-done",
      from: "committed: !isRefused(answer) }",
      to: "committed: false }",
      breaks: ["R-DUR-4"]
    },
    {
      id: "tenant-commit-refused-one-is-committed",
      from: "committed: !isRefused(answer) }",
      to: "committed: true }",
      breaks: ["R-DUR-4"]
    },
    {
      id: "tenant-commit-refused-in-part-is-not-committed",
      from: "each.every((one) =>",
      to: "each.some((one) =>",
      breaks: ["R-DUR-4"]
    },
    {
      id: "tenant-commit-answer-outlives-its-time",
      from: "workspace.now - before.createdAt >= answersLiveMs",
      to: "workspace.now - before.createdAt >= 100 * answersLiveMs",
      breaks: ["R-BUS-5"]
    },
    {
      id: "tenant-commit-answer-of-the-former-tenant",
      from: "if (before.createdAt < bornAt) return undefined",
      to: "if (before.createdAt < 0) return undefined",
      breaks: ["R-ACT-1", "R-SEC-16"],
      tests: ["test/unit/actors/tokens/formerTenant.test.ts", tenants]
    },
    {
      id: "tenant-commit-key-for-another-body",
      from: "return before.fingerprint === fingerprint",
      to: "return before.fingerprint.length === fingerprint.length",
      breaks: ["R-BUS-5"]
    },
    {
      id: "tenant-commit-rotated-key-writes-on",
      from: "command.stillHolds?.() !== false && areStill(",
      to: "areStill(",
      breaks: ["R-SEC-17"],
      tests: ["test/unit/actors/tokens/KeyedCommand.test.ts", commit]
    },
    {
      id: "tenant-commit-provisional-is-remembered",
      from: "if (provisional) return decided",
      to: 'if (provisional && keyHash === "") return decided',
      breaks: ["R-BUS-5", "R-ACT-1"]
    },
    {
      id: "tenant-commit-cached-as-if-newer",
      from: "const readSeq = revocation?.seq ?? seqBefore",
      to: "const readSeq = (revocation?.seq ?? seqBefore) + 1",
      breaks: ["P1", "R-REV-1"]
    },
    {
      id: "tenant-commit-unknown-outcome-keeps-rights",
      from: "if (committed === null) dropTouched(last)",
      to: "if (committed === false) dropTouched(last)",
      breaks: ["R-DUR-4", "P1"]
    },
    {
      id: "tenant-commit-unknown-told-as-undone",
      from: 'error.outcome === "unknown" ? null : false',
      to: 'error.outcome === "none" ? null : false',
      breaks: ["R-DUR-4"]
    },
    {
      id: "tenant-commit-one-bug-fails-all",
      from: "group.length > 1 ? singly(tenantId, group) : dieOne(group[0]!, cause)",
      to: "dieOne(group[0]!, cause)",
      breaks: ["R-DUR-6"]
    },
    {
      id: "tenant-commit-relay-is-not-woken",
      from: "      if (isOwn) signal.wakeUnsafe()\n",
      to: "",
      breaks: ["R-EVT-2"]
    },
    {
      id: "tenant-commit-relay-is-woken-for-what-is-held",
      from: "changes.outbox.some(({ afterRevocation }) => !afterRevocation)",
      to: "changes.outbox.length > 0",
      breaks: ["R-EVT-2"]
    },
    {
      id: "tenant-commit-answers-before-in-force",
      from: 'if (decided.inForce === "now") return asked.reply',
      to: 'if (decided.inForce !== "earlier") return asked.reply',
      breaks: ["P1", "R-REV-9"]
    },
    {
      id: "tenant-commit-removed-tenant-is-cached",
      from: "const changed = isRemoved ? [] : workspace",
      to: "const changed = isRemoved && workspace.now < 0 ? [] : workspace",
      breaks: ["P1", "R-TOK-7"]
    },
    {
      id: "tenant-commit-changed-row-is-cached",
      from: "isInService(application) && workspace.holds.token(tokenId)",
      to: "isInService(application) && tokenId.length > 0",
      breaks: ["R-SEC-30"]
    },
    {
      id: "tenant-commit-decided-in-one-go",
      from: "count > Pieces.pieceMax ? Pieces.runLocked(count, deciding) : Pieces.atOnce(deciding)",
      to: "Pieces.atOnce(deciding)",
      breaks: ["R-LIM-3"],
      tests: [pieces]
    },
    {
      id: "tenant-commit-prepared-in-one-go",
      from: "sum(group, ({ command }) => command.prepare?.count ?? 1)",
      to: "sum(group, () => 0)",
      breaks: ["R-LIM-3"],
      tests: [pieces]
    },
    {
      id: "tenant-commit-settles-without-waiting",
      from: "settled: FiberSet.awaitEmpty(waiting)",
      to: "settled: Effect.asVoid(FiberSet.size(waiting))",
      breaks: ["R-DUR-2"]
    }
  ]),
  ...faultsIn(
    "src/actors/tenant/InForce.ts",
    { breaks: ["P1", "R-REV-8", "R-REV-9"], tests: [`${unit}/InForce.test.ts`] },
    [
      {
        id: "tenant-in-force-newest-is-not-waited-for",
        from: "exit.value.oldest <= waiter.seq",
        to: "exit.value.oldest < waiter.seq"
      },
      {
        id: "tenant-in-force-store-is-told-in-its-own-time",
        from: "    coherence.tellNowUnsafe()\n",
        to: "",
        breaks: ["R-REV-9"]
      },
      {
        id: "tenant-in-force-up-to-the-oldest",
        from: "waiter.seq ??= exit.value?.newest ?? 0",
        to: "waiter.seq ??= exit.value?.oldest ?? 0"
      },
      {
        id: "tenant-in-force-news-unheard",
        from: "if (line !== undefined) Queue.offerUnsafe(line.news, undefined)",
        to: "if (line !== undefined) line.waiting.size",
        breaks: ["R-REV-9"]
      }
    ]
  ),
  ...faultsIn(
    "src/actors/tenant/TenantActors.ts",
    { breaks: ["P2"], tests: [`${unit}/TenantActors.test.ts`, tenants] },
    [
      {
        id: "tenant-actors-two-writers",
        survives:
          "only an actor that has nothing under way is put to sleep, so the next one has nobody to wait for: a second fence behind `tenant-actors-busy-is-idle`",
        from: "(before === undefined ? Effect.void : Fiber.await(before))",
        to: "(before === undefined ? Effect.void : Effect.void)"
      },
      {
        id: "tenant-actors-taken-while-stopping",
        from: "      open = false\n",
        to: "      open = cells.size > 0\n",
        breaks: ["R-DUR-2"]
      },
      {
        id: "tenant-actors-answers-left-at-the-end",
        from: "Effect.andThen(commit.settled, answering.settled)",
        to: "answering.settled",
        breaks: ["R-DUR-2"]
      },
      { id: "tenant-actors-busy-is-idle", from: "const idle = !cell.busy && Queue", to: "const idle = Queue" },
      {
        id: "tenant-actors-full-mailbox-says-nothing",
        from: '        end()\n        resume(Effect.fail(new errors.TooManyRequests({ limit: "mailbox" })))',
        to: "        end()",
        breaks: ["R-BUS-9", "P6"]
      }
    ]
  ),
  ...faultsIn("src/actors/tenant/Workspace.ts", { breaks: ["R-ACT-5"], tests: [commands, tenants] }, [
    {
      id: "tenant-workspace-endpoint-not-counted",
      from: "this.endpointCounts.set(token.endpointId, this.endpointCount(token.endpointId) + 1)",
      to: "this.endpointCounts.set(token.endpointId, this.endpointCount(token.endpointId))"
    },
    {
      id: "tenant-workspace-stock-of-a-group",
      from: "return this.loaded.stock.tokens + this.tokensAdded",
      to: "return this.loaded.stock.tokens"
    },
    {
      id: "tenant-workspace-everything-takes-away",
      from: "takesAway: this.targets.length > before",
      to: "takesAway: this.targets.length >= before",
      breaks: ["R-REV-9"]
    },
    {
      id: "tenant-workspace-inserted-twice-in-a-group",
      from: "    this.byHash.set(hexOf(token.hash), token.tokenId)\n",
      to: "    if (this.now < 0) this.byHash.set(hexOf(token.hash), token.tokenId)\n",
      breaks: ["R-SEC-17"]
    },
    {
      id: "tenant-workspace-removed-tenant-serves",
      from: "((tenant.removedAt !== null || this.tenantRemoved) && !onRemoved)",
      to: "(tenant.removedAt !== null && !onRemoved)",
      breaks: ["R-BUS-14", "R-TOK-7"]
    }
  ]),
  ...faultsIn(
    "src/actors/tenant/RowTagging.ts",
    {
      breaks: ["R-SEC-30"],
      tests: [
        "test/unit/actors/tenant/RowTagging.test.ts",
        "test/unit/actors/credentials/LiveCredentials.test.ts",
        commands
      ]
    },
    [
      {
        id: "tenant-tagging-changed-token-is-tagged",
        from: "holding.token(token.tokenId) ? ofToken(token) : untagged(token)",
        to: "holding.token(token.tokenId) ? ofToken(token) : ofToken(untagged(token))"
      },
      {
        id: "tenant-tagging-changed-credential-is-tagged",
        from: "holding.credential(credential.credentialId) ? ofCredential(credential) : untagged(credential)",
        to: "holding.credential(credential.credentialId) ? ofCredential(credential) : ofCredential(untagged(credential))"
      },
      {
        id: "tenant-tagging-missing-tenant-holds",
        from: "return row !== undefined && rowHolds(row.mac, RowTags.ofTenant(row, row.servicesOff))",
        to: "return row === undefined || rowHolds(row.mac, RowTags.ofTenant(row, row.servicesOff))"
      },
      {
        id: "tenant-tagging-one-row-stands-for-all",
        from: "const before = known.get(id)\n",
        to: "const before = known.values().next().value\n"
      },
      {
        id: "tenant-tagging-once-for-ever",
        from: "const known = new Map<string, boolean>()\n",
        to: "const known = ((globalThis as { known?: Map<string, boolean> }).known ??= new Map<string, boolean>())\n"
      },
      {
        id: "tenant-tagging-changed-settings-are-tagged",
        from: "(before === undefined || !holding.settings())",
        to: "(before === undefined || (!holding.settings() && loaded.now < 0))"
      },
      {
        id: "tenant-tagging-settings-of-a-tenant-made-now",
        from: "createdAt: before?.createdAt ?? loaded.now,",
        to: "createdAt: loaded.now,"
      },
      {
        id: "tenant-tagging-settings-of-a-removed-tenant-are-nobodys",
        from: "(before?.removedAt ?? loaded.now) : (before?.removedAt ?? null)",
        to: "(before?.removedAt ?? loaded.now) : null"
      }
    ]
  ),
  ...faultsIn(
    "src/actors/tenant/TokenEvents.ts",
    { breaks: ["R-EVT-3"], tests: [`${unit}/EventWriter.test.ts`, commands] },
    [
      {
        id: "tenant-events-one-for-each-token",
        from: "        for (const fact of workspace.facts) {\n          if (!fact.endsSessions) continue\n          const key = `${fact.token.appName}/${fact.token.endpointId}`",
        to: "        for (const fact of workspace.facts) {\n          if (!fact.endsSessions) continue\n          const key = fact.token.tokenId"
      },
      {
        id: "tenant-events-one-for-all-applications",
        from: "          if (!fact.endsSessions) continue\n          const key = `${fact.token.appName}/${fact.token.endpointId}`",
        to: "          if (!fact.endsSessions) continue\n          const key = fact.token.endpointId"
      },
      {
        id: "tenant-events-too-many-ids",
        from: "facts.slice(index * tokenIdsMax, (index + 1) * tokenIdsMax)",
        to: "facts.slice(index * tokenIdsMax)",
        breaks: ["R-EVT-6", "R-EVT-3"]
      },
      {
        id: "tenant-events-ten-thousand-ids",
        from: "const tokenIdsMax = 1_000",
        to: "const tokenIdsMax = 10_000",
        breaks: ["R-EVT-6"]
      },
      {
        id: "tenant-events-unchanged-ones-of-all-applications",
        from: "const key = `${token.appName}/${token.endpointId}`",
        to: "const key = token.endpointId"
      },
      {
        id: "tenant-events-sessions-by-the-tokens-version",
        from: '"ce-entityversion": String(workspace.nextSeq)',
        to: '"ce-entityversion": String(tokens[0]!.version)',
        breaks: ["R-EVT-3", "R-EVT-2"]
      },
      {
        id: "tenant-events-before-in-force",
        from: "inForceFirst && takesAway(fact)",
        to: "inForceFirst && !takesAway(fact)",
        breaks: ["R-EVT-2", "P3"]
      },
      {
        id: "tenant-events-longer-than-a-message",
        from: "if (whole.length <= bodyBytesMax) return whole",
        to: "if (whole.length <= 2 * bodyBytesMax) return whole",
        breaks: ["R-EVT-6"]
      }
    ]
  ),
  ...faultsIn(
    "src/actors/tenant/Limits.ts",
    {
      breaks: ["R-LIM-2", "R-ACT-5"],
      tests: ["test/unit/actors/validation/LimitsKeeper.test.ts", `${unit}/Limits.test.ts`]
    },
    [
      { id: "tenant-limits-common-wins", from: "{ ...common, ...limits }", to: "{ ...limits, ...common }" },
      {
        id: "tenant-limits-stay-when-taken-back",
        from: "if (Object.keys(limits).length === 0) own.delete(tenantId)\n      else ",
        to: "if (Object.keys(limits).length > 0) "
      }
    ]
  ),
  ...faultsIn(
    "src/actors/tenant/LongRequests.ts",
    { breaks: ["R-INP-2", "P6"], tests: ["test/unit/actors/validation/LiveValidator.test.ts#long correlation ids"] },
    [
      {
        id: "tenant-long-requests-usual-ones-refused",
        from: "if (bytes <= usualBytesMax) return true",
        to: "if (bytes <= 1) return true",
        tests: ["test/unit/protocols/ecap.test.ts#long correlation ids"]
      },
      { id: "tenant-long-requests-largest-never-fits", from: "this.taken > 0 && ", to: "" },
      { id: "tenant-long-requests-keep-their-room", from: "this.taken -= bytes", to: "this.taken -= 0" }
    ]
  ),
  ...faultsIn(
    "src/actors/tenant/HeldRefusals.ts",
    { breaks: ["R-LIM-3", "P6"], tests: [`${unit}/HeldRefusals.test.ts`] },
    [
      {
        id: "tenant-refusals-told-at-once",
        from: "!isOpen || held.size >= heldMax",
        to: "isOpen || held.size >= heldMax"
      },
      { id: "tenant-refusals-held-without-bound", from: "held.size >= heldMax || ", to: "" },
      { id: "tenant-refusals-large-ones-kept", from: " || bytes > heldBytesMax", to: "" },
      { id: "tenant-refusals-left-at-the-end", from: "return tellEach(Array.from(held))", to: "return Effect.void" },
      {
        id: "tenant-refusals-told-twice",
        from: "if (held.delete(once)) tell()",
        to: "held.delete(once)\n        tell()\n        tell()"
      },
      {
        id: "tenant-refusals-told-in-one-go",
        from: "due.splice(0, toldAtOnce)",
        to: "due.splice(0)"
      },
      {
        id: "tenant-refusals-one-bug-silences-the-rest",
        from: "{ while: () => due.length > 0 }",
        to: "{ while: () => due.length < 0 }"
      }
    ]
  ),
  ...faultsIn("src/actors/tenant/Answering.ts", { breaks: ["R-DUR-6"], tests: [`${unit}/Answering.test.ts`] }, [
    {
      id: "tenant-answering-bug-stops-the-others",
      from: "wakeSome), { while: () => waiting.length > 0 })",
      to: "wakeSome), { while: () => waiting.length < 0 })"
    },
    {
      id: "tenant-answering-all-in-one-go",
      from: "let left = wokenAtOnce",
      to: "let left = 1e6",
      breaks: ["R-LIM-3"]
    }
  ]),
  ...faultsIn("src/actors/tenant/ExistingTenant.ts", { breaks: ["R-REV-9", "R-BUS-14"], tests: [tenants] }, [
    {
      id: "tenant-existing-removed-is-there",
      from: "if (tenant !== undefined && tenant.removedAt === null) return tenant",
      to: "if (tenant !== undefined) return tenant"
    }
  ])
]
