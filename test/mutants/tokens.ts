/** Faults in `src/actors/tokens`: what changes tokens and applications. */
import { faultsIn, type Mutant } from "./Mutant.ts"

const unit = "test/unit/actors/tokens"
const commands = `${unit}/tokenCommands.test.ts`
const tenants = `${unit}/LiveTenants.test.ts`

export const tokens: ReadonlyArray<Mutant> = [
  ...faultsIn("src/actors/tokens/commands/transition.ts", { breaks: ["P3", "R-EVT-3"], tests: [] }, [
    {
      id: "tokens-first-use-ends-sessions",
      from: 'previousStatus: "Inactive", reason: null, endsSessions: false, caller',
      to: 'previousStatus: "Inactive", reason: null, endsSessions: true, caller',
      tests: ["test/unit/actors/tenant/EventWriter.test.ts"]
    }
  ]),
  ...faultsIn("src/actors/tokens/commands/endings.ts", { breaks: ["P3", "R-EVT-1"], tests: [commands] }, [
    {
      id: "tokens-end-raises-the-version-twice",
      from: "        version: token.version + 1,\n        updatedAt: workspace.now,",
      to: "        version: token.version + 2,\n        updatedAt: workspace.now,"
    }
  ]),
  ...faultsIn("src/actors/tokens/commands/adminKey.ts", { breaks: ["R-BUS-5"], tests: [tenants] }, [
    {
      id: "tokens-admin-key-is-kept-where-its-answer-is",
      from: "operation: `admin ${caller.idempotency.operation}`",
      to: "operation: caller.idempotency.operation"
    }
  ]),
  ...faultsIn(
    "src/actors/tokens/validateAll.ts",
    { breaks: ["R-BUS-35", "R-LIM-3", "P6"], tests: [`${unit}/validateAll.test.ts`, `${unit}/pieces.test.ts`] },
    [
      {
        id: "tokens-validations-of-a-batch-in-one-go",
        from: "Pieces.run(count, asking(), ",
        to: "Pieces.run(0, asking(), "
      },
      {
        id: "tokens-validations-of-a-batch-answered-as-one",
        from: "first !== undefined && items.length === 1",
        to: "first !== undefined"
      },
      {
        id: "tokens-validation-of-one-is-a-use",
        from: "validateOne(validator, tenantId, first, dryRun)",
        to: "validateOne(validator, tenantId, first, false)",
        breaks: ["R-TOK-2"]
      },
      {
        id: "tokens-validations-in-the-order-of-their-answers",
        from: "answers[at] = answer",
        to: "answers[answers.indexOf(undefined as never)] = answer",
        breaks: ["R-TOK-2"]
      },
      {
        id: "tokens-validations-told-in-the-order-of-their-answers",
        from: "others[place] = answer",
        to: "others.push(answer)",
        breaks: ["R-TOK-2"]
      },
      {
        id: "tokens-validations-read-in-place-are-dry",
        from: "items.token(at), false, (answer)",
        to: "items.token(at), true, (answer)",
        breaks: ["R-TOK-2"]
      },
      {
        id: "tokens-validations-wait-for-an-answer-that-came",
        from: "      if (left === 0) return resume(Effect.void)\n",
        to: ""
      }
    ]
  ),
  ...faultsIn(
    "src/actors/tokens/validations.ts",
    {
      breaks: ["R-BUS-10", "P10"],
      tests: [`${unit}/validations.test.ts`, tenants, "test/integration/service/databaseStalls.test.ts"]
    },
    [
      {
        id: "tokens-validations-ask-for-a-tenant-that-shows",
        from: "showTheTenant(answers) || ",
        to: ""
      },
      {
        id: "tokens-validations-wait-for-what-tells-nothing",
        from: "tellNothing(answers) || ",
        to: ""
      },
      {
        id: "tokens-validations-wait-as-long-as-the-store",
        from: "      Effect.timeoutOrElse({ duration: missTimeout, orElse: () => unavailable }),\n",
        to: ""
      },
      {
        id: "tokens-validations-unsaid-tenant-is-there",
        from: "answer.statusCode === 404 ? notKnown : answer",
        to: "answer"
      },
      {
        id: "tokens-validations-gone-tenant-is-there",
        from: "(yield* isThere(tenantId))",
        to: "(yield* Effect.orElseSucceed(isThere(tenantId), () => true))",
        breaks: ["R-BUS-14"]
      },
      {
        id: "tokens-validations-gone-is-told-at-once",
        from: '      Effect.catchTag("TenantNotFound", () => liveTenant(tenantId)),\n',
        to: "",
        breaks: ["R-REV-9"]
      }
    ]
  ),
  ...faultsIn(
    "src/actors/tenant/UseRecorder.ts",
    { breaks: ["R-TOK-3"], tests: [`${unit}/FirstUseRecorder.test.ts`, "test/unit/actors/tenant/UseRecorder.test.ts"] },
    [
      {
        id: "tenant-uses-asked-without-an-end-while-that-fails",
        from: "for (const id of piece) tellUnsafe(tenantId, id)\n          return false",
        to: "for (const id of piece) tellUnsafe(tenantId, id)\n          return true",
        breaks: ["P6", "P10"],
        tests: ["test/unit/actors/tenant/UseRecorder.test.ts"]
      },
      {
        id: "tenant-uses-asked-without-an-end-after-a-bug",
        from: "piece.forEach(forgotten)\n          return false",
        to: "piece.forEach(forgotten)\n          return true",
        breaks: ["P6"],
        tests: ["test/unit/actors/tenant/UseRecorder.test.ts"]
      },
      {
        id: "tokens-first-use-failed-piece-dropped",
        from: 'if (error._tag !== "TenantNotFound") for (const id of piece) tellUnsafe(tenantId, id)',
        to: "void error"
      },
      { id: "tenant-uses-idle-nobody-looks", from: "    wakeUnsafe()\n", to: "" },
      {
        id: "tenant-uses-idle-looked-for-all-the-time",
        from: "Effect.map(recordAll, () => count > 0)",
        to: "Effect.map(recordAll, () => count >= 0)",
        breaks: ["R-RUN-16"],
        tests: ["test/unit/actors/tenant/UseRecorder.test.ts"]
      },
      {
        id: "tenant-uses-idle-what-is-left",
        from: "Effect.map(recordAll, () => count > 0)",
        to: "Effect.map(recordAll, () => false)"
      },
      { id: "tokens-first-use-places-stay-taken", from: "    count -= piece.length\n", to: "" },
      {
        id: "tokens-first-use-overflow-is-not-forgotten",
        from: "      forgotten(id)\n      return",
        to: "      return"
      },
      {
        id: "tokens-first-use-not-recorded-at-the-end",
        from: "const recordLast = Effect.andThen(recordAll, FiberSet.awaitEmpty(fibers))",
        to: "const recordLast = FiberSet.awaitEmpty(fibers)",
        breaks: ["R-TOK-3", "R-DUR-2"]
      },
      {
        id: "tokens-first-uses-of-all-tenants-at-once",
        from: "Math.min(places - taken, line.size)",
        to: "line.size",
        breaks: ["R-LIM-5"]
      },
      {
        id: "tokens-first-uses-of-a-tenant-without-turns",
        from: "void (goesOn && hasMore && line.add(tenantId))",
        to: "void (goesOn && hasMore && ((rest) => (line.clear(), [tenantId, ...rest].forEach((id) => line.add(id))))([...line]))",
        breaks: ["R-LIM-5"]
      },
      {
        id: "tokens-first-use-asks-for-nothing",
        from: "    if (piece.length === 0) return\n",
        to: ""
      },
      {
        id: "tokens-first-uses-slow-tenant-keeps-its-place",
        from: "    if (slow >= slowMax) return",
        to: "    if (slow >= 0) return",
        breaks: ["R-LIM-5"]
      },
      {
        id: "tokens-first-uses-any-number-is-slow",
        from: "    if (slow >= slowMax) return",
        to: "    if (slow >= 1e9) return",
        breaks: ["R-LIM-5"]
      },
      {
        id: "tokens-first-uses-slow-for-ever",
        from: "      slow--\n",
        to: "",
        breaks: ["R-LIM-5"]
      },
      {
        id: "tokens-first-uses-few-at-the-end",
        from: "      places = piecesAtEnd\n",
        to: "",
        breaks: ["R-DUR-2"]
      },
      {
        id: "tokens-first-uses-lost-in-silence",
        from: "count + asked === 0",
        to: "count >= 0",
        breaks: ["R-DUR-2"]
      }
    ]
  ),
  ...faultsIn("src/actors/tokens/KeyedCommand.ts", { breaks: ["R-SEC-17"], tests: [`${unit}/KeyedCommand.test.ts`] }, [
    {
      id: "tokens-keyed-old-keys-hold",
      from: "!isUsed || (keyring.isCurrent() && keyIds() === before)",
      to: "!isUsed || keyIds() === before"
    },
    {
      id: "tokens-keyed-other-keys-hold",
      from: "!isUsed || (keyring.isCurrent() && keyIds() === before)",
      to: "!isUsed || (keyring.isCurrent() && keyIds().length === before.length)"
    }
  ]),
  ...faultsIn(
    "src/actors/tokens/LiveTenants.ts",
    { breaks: ["R-REV-9"], tests: [tenants, `${unit}/otherTenants.test.ts`] },
    [
      {
        id: "tokens-live-a-repetition-makes-another-value",
        from: "drawn ??= ids.tokenValues(missing, length, alphabet)",
        to: "drawn = ids.tokenValues(missing, length, alphabet)",
        breaks: ["R-SEC-17"],
        tests: [`${unit}/KeyedCommand.test.ts`]
      },
      {
        id: "tokens-live-unregistered-up-to-the-first-that-fails",
        from: "            Effect.exit\n",
        to: "            Effect.map((answer) => Effect.succeed(answer))\n",
        breaks: ["R-TOK-8", "R-SEC-30"],
        tests: [`${unit}/otherTenants.test.ts`]
      },
      {
        id: "tokens-live-unregistered-but-in-one-tenant-untold",
        from: "Effect.tapDefect(() =>\n              Effect.logError(",
        to: "Effect.tapDefect(() =>\n              Effect.logDebug(",
        breaks: ["R-SEC-30"],
        tests: [`${unit}/otherTenants.test.ts`]
      },
      {
        id: "tokens-live-unregistered-is-given-up-while-a-tenant-is-away",
        from: "fails(passes) ?? exits.find(Exit.hasDies) ?? exits.find(Exit.isFailure)",
        to: "exits.find(Exit.hasDies) ?? exits.find(Exit.isFailure)",
        breaks: ["R-TOK-8"],
        tests: [`${unit}/otherTenants.test.ts`]
      },
      {
        id: "tokens-live-key-of-another-tenant",
        from: "return claim === null ? effect : Effect.andThen(actors.ask(globalTenantId, claim), effect)",
        to: 'return claim === null ? effect : Effect.andThen(actors.ask("", claim).pipe(Effect.ignore), effect)',
        breaks: ["R-BUS-5"]
      },
      {
        id: "tokens-live-first-use-not-hurried",
        from: "firstUse.recordNow(tenantId)",
        to: 'firstUse.recordNow("")',
        breaks: ["R-TOK-3", "R-TOK-1"]
      },
      {
        id: "tokens-live-gone-is-told-at-once",
        from: "if (token === undefined || saysGone(token)) yield* whenInForce(tenantId)",
        to: "if (token === undefined) yield* whenInForce(tenantId)"
      },
      {
        id: "tokens-live-list-does-not-wait",
        from: "if (tokens.some(saysGone)) yield* whenInForce(tenantId)",
        to: "if (tokens.every(saysGone)) yield* whenInForce(tenantId)"
      },
      {
        id: "tokens-live-application-out-of-service-shows",
        from: "return tokens.filter((token) => live.has(token.appName))",
        to: "return tokens.filter((token) => live.has(token.appName) || token.version > 0)",
        breaks: ["R-PLT-11", "R-TOK-7"]
      },
      {
        id: "tokens-live-gone-tenant-stops-the-others",
        from: 'Effect.catchTag("TenantNotFound", () => Effect.succeed({ deleted: 0 }))',
        to: 'Effect.catchTag("IssuerInUse", () => Effect.succeed({ deleted: 0 }))',
        breaks: ["R-TOK-8"]
      }
    ]
  ),
  ...faultsIn(
    "src/actors/tokens/applicationsAmong.ts",
    { breaks: ["R-ACC-7"], tests: [`${unit}/otherTenants.test.ts`, tenants, `${unit}/service.test.ts`] },
    [
      {
        id: "tokens-among-other-tenants-application",
        from: "application.tenantId === tenantId && isInService(application)",
        to: "application.tenantId.length > 0 && isInService(application)"
      }
    ]
  ),
  ...faultsIn(
    "src/actors/tokens/commands/applications.ts",
    { breaks: ["R-TOK-7"], tests: [`${unit}/otherTenants.test.ts`, commands, tenants] },
    [
      {
        id: "tokens-application-removed-without-barrier",
        from: 'workspace.takeAway({ kind: "application", appName })',
        to: "",
        breaks: ["P1", "R-TOK-7"]
      },
      {
        id: "tokens-application-of-another-tenant-removed",
        from: "found === undefined || found.tenantId !== workspace.tenantId || found.removedAt !== null",
        to: "found === undefined || found.removedAt !== null",
        breaks: ["R-ACC-7"]
      },
      {
        id: "tokens-application-taken-by-another-tenant",
        from: "if (found.tenantId === workspace.tenantId && found.removedAt === null) {",
        to: "if (found.removedAt === null) {",
        breaks: ["R-PLT-3"]
      },
      {
        id: "tokens-tenant-removed-without-barrier",
        from: 'workspace.takeAway({ kind: "tenant" })',
        to: "",
        breaks: ["P1", "R-BUS-14"]
      },
      {
        id: "tokens-tenant-global-removed",
        from: 'if (workspace.tenantId === globalTenantId) {\n      return Result.fail(new errors.Forbidden({ reason: "the tenant global cannot',
        to: 'if (workspace.tenantId === "") {\n      return Result.fail(new errors.Forbidden({ reason: "the tenant global cannot',
        breaks: ["R-PLT-1"]
      }
    ]
  ),
  ...faultsIn(
    "src/actors/tokens/commands/configure.ts",
    {
      breaks: ["R-LIM-1"],
      tests: [`${unit}/configure.test.ts`, tenants, "test/unit/actors/tokens/LiveIssuerOfTenant.test.ts"]
    },
    [
      {
        id: "tokens-configure-answer-goes-with-the-tenant",
        from: "  outlivesTenant: true,\n",
        to: "",
        breaks: ["R-BUS-5"]
      },
      {
        id: "tokens-configure-changed-row-goes-on",
        from: "if (!workspace.holds.settings()) return",
        to: "if (!workspace.holds.settings() && workspace.now < 0) return",
        breaks: ["R-SEC-30"]
      },
      {
        id: "tokens-configure-without-barrier",
        from: 'workspace.takeAway({ kind: "settings", limits: after.limits })',
        to: 'workspace.takeAway({ kind: "settings", limits: before.limits })'
      },
      {
        id: "tokens-configure-limit-cannot-be-taken-back",
        from: '.filter(([, value]) => typeof value === "number"))',
        to: ".filter(([, value]) => value !== undefined))"
      }
    ]
  ),
  ...faultsIn(
    "src/actors/tokens/commands/endings.ts",
    { breaks: ["P1", "R-TOK-8"], tests: [`${unit}/takesAway.test.ts`, commands] },
    [
      { id: "tokens-delete-without-barrier", from: "  workspace.takeAway(workspace.tokenTarget(gone))\n", to: "" },
      {
        id: "tokens-delete-without-event",
        from: "      endsSessions: true,",
        to: "      endsSessions: false,",
        breaks: ["R-EVT-3", "R-TOK-8"]
      },
      {
        id: "tokens-end-before-its-end",
        from: "|| !hasEnded(token, workspace.now)) continue",
        to: "|| hasEnded(token, Number.NEGATIVE_INFINITY)) continue",
        breaks: ["R-TOK-4"]
      },
      {
        id: "tokens-end-told-as-expired",
        from: 'endingOf(token) === "rotated" ? "rotated" : "expired"',
        to: 'endingOf(token) === "revoked" ? "rotated" : "expired"',
        breaks: ["R-TOK-5", "R-TOK-2"]
      },
      {
        id: "tokens-end-of-suspended-ends-sessions",
        from: "endsSessions: isUsable(token.status)",
        to: "endsSessions: isUsable(token.status) || true",
        breaks: ["R-EVT-3"]
      }
    ]
  ),
  ...faultsIn("src/actors/tokens/commands/provision.ts", { breaks: ["R-ACT-5"], tests: [commands, tenants] }, [
    {
      id: "tokens-provision-one-over-the-endpoint-limit",
      from: "workspace.endpointCount(plan.endpointId) >= tokensPerEndpointMax",
      to: "workspace.endpointCount(plan.endpointId) > tokensPerEndpointMax"
    },
    {
      id: "tokens-provision-one-over-the-limit",
      from: "workspace.tokenStock >= tokensMax",
      to: "workspace.tokenStock > tokensMax"
    },
    {
      id: "tokens-provision-ended-at-birth",
      from: "plan.expiresAt !== null && plan.expiresAt <= workspace.now",
      to: "plan.expiresAt !== null && plan.expiresAt < workspace.now",
      breaks: ["R-TOK-4"]
    },
    {
      id: "tokens-provision-value-given-twice",
      from: "if (workspace.tokenByHash(plan.hashed.hashes) !== undefined) return",
      to: "if (workspace.tokenByHash(plan.hashed.hashes.slice(1)) !== undefined) return",
      breaks: ["R-SEC-17"]
    },
    {
      id: "tokens-provision-without-life",
      from: "plan.expiresAt ?? (plan.lifetimeMs == null ? null : workspace.now + plan.lifetimeMs)",
      to: "plan.expiresAt ?? null",
      breaks: ["R-TOK-4"]
    },
    {
      id: "tokens-provision-new-one-stays-unknown",
      from: "  workspace.appearToken(token)\n",
      to: "",
      breaks: ["R-TOK-2"]
    }
  ]),
  ...faultsIn("src/actors/tokens/commands/rotate.ts", { breaks: ["R-TOK-5", "R-TOK-10"], tests: [commands, tenants] }, [
    {
      id: "tokens-rotate-lengthens-the-overlap",
      from: "Math.min(token.overlapEndsAt ?? endsAt, endsAt)",
      to: "endsAt"
    },
    {
      id: "tokens-rotate-successor-keeps-the-overlap",
      from: "        overlapEndsAt: null,\n        endedBy: null,\n        reason: null,\n        createdBy",
      to: "        endedBy: null,\n        reason: null,\n        createdBy"
    },
    {
      id: "tokens-rotate-old-one-lives-on",
      from: 'status: atOnce ? "Revoked" : token.status',
      to: "status: token.status"
    },
    {
      id: "tokens-rotate-changed-row",
      from: "if (!workspace.holds.token(token.tokenId)) return",
      to: "if (!workspace.holds.token(token.tokenId) && workspace.now < 0) return",
      breaks: ["R-SEC-30"]
    },
    {
      id: "tokens-rotate-suspended-one",
      from: "if (!isUsable(from)) {",
      to: 'if (!isUsable(from) && from === "Revoked") {',
      breaks: ["R-TOK-1", "R-TOK-5"]
    },
    {
      id: "tokens-rotate-any-version",
      from: "findTokenAt(workspace, options, options.expectedVersion)",
      to: "findTokenAt(workspace, options, null)"
    },
    {
      id: "tokens-rotate-beyond-the-limit",
      from: "options.overlapMs > 0 && workspace.tokenStock >= tokensMax",
      to: "options.overlapMs > 0 && workspace.tokenStock > tokensMax",
      breaks: ["R-ACT-5"]
    }
  ]),
  ...faultsIn("src/actors/tokens/commands/tokenRows.ts", { breaks: ["R-TOK-1"], tests: [commands, tenants] }, [
    {
      id: "tokens-transition-any-version",
      from: "expectedVersion === null || expectedVersion === token.version",
      to: "expectedVersion === null || expectedVersion >= token.version - 1"
    }
  ]),
  ...faultsIn(
    "src/actors/tokens/commands/applications.ts",
    { breaks: ["R-REV-8", "P1"], tests: ["test/unit/actors/tokens/takesAway.test.ts"] },
    [
      {
        id: "tokens-application-gone-before-in-force",
        from: "      workspace.alreadyGone()\n      return Result.fail(new errors.ApplicationNotFound",
        to: "      return Result.fail(new errors.ApplicationNotFound"
      },
      {
        id: "tokens-application-removed-with-nobody-knows-how-many",
        from: "diff: { tokens: deleted }",
        to: "diff: null",
        breaks: ["P8"]
      }
    ]
  ),
  ...faultsIn(
    "src/actors/tokens/commands/tokenRows.ts",
    { breaks: ["R-REV-8", "P1"], tests: ["test/unit/actors/tokens/takesAway.test.ts"] },
    [
      {
        id: "tokens-value-gone-before-in-force",
        from: "Result.fail(notFound(workspace, new errors.TokenNotFound({ tokenId: null })))",
        to: "Result.fail(new errors.TokenNotFound({ tokenId: null }))"
      }
    ]
  ),
  ...faultsIn("src/actors/tokens/commands/provision.ts", { breaks: ["P8"], tests: [commands] }, [
    {
      id: "tokens-provision-usual-life-is-not-told",
      from: "{ appName, endpointId: token.endpointId, expiresAt: token.expiresAt }",
      to: "{ appName, endpointId: token.endpointId, expiresAt: plan.expiresAt }"
    }
  ]),
  ...faultsIn("src/actors/tokens/commands/endings.ts", { breaks: ["R-TOK-1"], tests: [commands] }, [
    {
      id: "tokens-delete-any-version",
      from: "findTokenAt(workspace, { tokenId }, expectedVersion)",
      to: "findTokenAt(workspace, { tokenId }, null)"
    }
  ]),
  ...faultsIn("src/actors/tokens/commands/transition.ts", { breaks: ["R-TOK-1"], tests: [commands, tenants] }, [
    {
      id: "tokens-transition-suspended-without-barrier",
      from: "if (!isUsable(decision.to)) workspace.takeAway",
      to: 'if (decision.to === "Revoked") workspace.takeAway',
      breaks: ["P1", "R-TOK-1"]
    },
    {
      id: "tokens-transition-changed-row-comes-back",
      from: "if (isUsable(decision.to) && !workspace.holds.token(token.tokenId)) {",
      to: 'if (decision.to === "Inactive" && !workspace.holds.token(token.tokenId)) {',
      breaks: ["R-SEC-30"]
    },
    {
      id: "tokens-transition-already-so-at-once",
      from: "if (!isUsable(target)) workspace.alreadyGone()",
      to: 'if (target === "Inactive") workspace.alreadyGone()',
      breaks: ["R-REV-8", "P1"]
    },
    {
      id: "tokens-first-use-after-the-end",
      from: '|| token.status !== "Inactive" || hasEnded(token, workspace.now)) continue',
      to: '|| token.status !== "Inactive" || hasEnded(token, 0)) continue',
      breaks: ["R-TOK-4", "R-TOK-3"]
    },
    {
      id: "tokens-first-use-changes-nothing-of-suspended",
      from: '|| token.status !== "Inactive" || hasEnded',
      to: '|| token.status === "Revoked" || hasEnded',
      breaks: ["R-TOK-3", "R-TOK-1"]
    }
  ]),
  ...faultsIn(
    "src/actors/tokens/commands/tokenRows.ts",
    { breaks: ["R-TOK-7", "R-ACC-7"], tests: [commands, tenants] },
    [
      {
        id: "tokens-rows-other-tenants-application",
        from: "application.tenantId !== workspace.tenantId || !isInService(application)",
        to: "!isInService(application)"
      },
      {
        id: "tokens-rows-token-of-a-removed-application",
        from: "token === undefined || applicationGone(workspace, token)",
        to: "token === undefined || (applicationGone(workspace, token) && workspace.now < 0)"
      },
      {
        id: "tokens-rows-status-without-end",
        from: "status: shownStatus(token, now), expiresAt: endOf(token)",
        to: "status: token.version < 0 ? shownStatus(token, now) : token.status, expiresAt: endOf(token)",
        breaks: ["R-TOK-4"]
      }
    ]
  ),
  ...faultsIn(
    "src/actors/tokens/commands/revokeAll.ts",
    { breaks: ["R-TOK-12"], tests: [`${unit}/revokeAll.test.ts`] },
    [
      {
        id: "tokens-revoke-all-piece-twice",
        from: "const isSamePlace = (a: WalkPlace, b: WalkPlace): boolean => a.street === b.street && a.after === b.after",
        to: "const isSamePlace = (a: WalkPlace, b: WalkPlace): boolean => a.street === b.street"
      },
      {
        id: "tokens-revoke-all-of-others-too",
        from: "      .filter((token) => isOf(now.population, token, workspace.now))\n",
        to: "      .filter((token) => isOf(now.population, token, workspace.now) || token.version > 0)\n"
      },
      {
        id: "tokens-revoke-all-without-bound",
        from: "workspace.revokeAllsOpen >= revokeAllsMax",
        to: "workspace.revokeAllsOpen > revokeAllsMax"
      },
      {
        id: "tokens-revoke-all-made-since",
        from: "Math.min(population.createdBefore ?? Number.POSITIVE_INFINITY, moment + 1)",
        to: "(population.createdBefore ?? moment + 60_000)"
      },
      {
        id: "tokens-revoke-all-not-of-its-moment",
        from: "population.createdBefore ?? Number.POSITIVE_INFINITY, moment + 1)",
        to: "population.createdBefore ?? Number.POSITIVE_INFINITY, moment)"
      }
    ]
  ),
  ...faultsIn("src/actors/tokens/revokeAll.ts", { breaks: ["R-TOK-12"], tests: [`${unit}/revokeAll.test.ts`] }, [
    {
      id: "tokens-revoke-all-counts-what-it-does-not-take",
      from: "...(yield* counted(tenantId, bounded)) }",
      to: "...(yield* counted(tenantId, population)) }"
    },
    {
      id: "tokens-revoke-all-of-the-moment-after-the-count",
      from: "      const startedAt = yield* change(tenantId, momentOfPopulation(caller))\n",
      to: "      yield* counted(tenantId, population)\n      const startedAt = yield* change(tenantId, momentOfPopulation(caller))\n"
    }
  ]),
  ...faultsIn(
    "src/actors/tokens/LiveTokenEnder.ts",
    { breaks: ["R-TOK-12"], tests: [`${unit}/revokeAll.test.ts`, "test/integration/rotation/revokeAll.test.ts"] },
    [
      {
        id: "tokens-revoke-all-believes-a-short-page",
        from: "(isMore(second, first) ? second : first)",
        to: "(isMore(second, first) ? first : first)",
        breaks: ["P1", "R-TOK-12"]
      },
      {
        id: "tokens-revoke-all-believes-the-second-page",
        from: "(isMore(second, first) ? second : first)",
        to: "(isMore(second, first) ? second : second)",
        breaks: ["P1", "R-TOK-12"]
      },
      {
        id: "tokens-revoke-all-believes-the-end",
        from: "than.next === null && page.next !== null",
        to: "than.next === null && page.next === null",
        breaks: ["P1", "R-TOK-12"]
      },
      {
        id: "tokens-revoke-all-done-before-in-force",
        from: '      yield* Effect.catchTag(inForce.all(tenantId), "StoreUnavailable", () => Effect.fail(unavailable()))\n',
        to: '      if (place.street < 0) yield* Effect.catchTag(inForce.all(tenantId), "StoreUnavailable", () => Effect.fail(unavailable()))\n'
      }
    ]
  ),
  ...faultsIn(
    "src/actors/tokens/commands/service.ts",
    { breaks: ["R-PLT-3", "R-PLT-11"], tests: [`${unit}/service.test.ts`] },
    [
      {
        id: "tokens-service-older-word-takes-out",
        from: "if (found !== undefined && found.decidedAt > decidedAt) return",
        to: "if (found !== undefined && found.decidedAt > 2 * decidedAt) return"
      },
      {
        id: "tokens-service-out-without-barrier",
        from: 'workspace.takeAway({ kind: "application", appName })',
        to: "",
        breaks: ["P1", "R-PLT-11"]
      },
      {
        id: "tokens-service-older-word-puts-back",
        from: "found.outOfService === null || found.decidedAt > decidedAt",
        to: "found.outOfService === null"
      }
    ]
  )
]
