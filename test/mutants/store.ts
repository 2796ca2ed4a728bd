/** Faults in `src/store`: contracts, SQL and migrations. */
import { faultsIn, type Mutant } from "./Mutant.ts"

const unit = "test/unit/store"
const maria = "test/integration/store"
const sharedRows = "test/integration/service/sharedRows.test.ts"
const faults = `${maria}/maria/DatabaseFaults.test.ts`
const guards = `${maria}/maria/Guards.test.ts`
const plans = `${maria}/maria/QueryPlans.test.ts`
/** What is read for many tenants at once. */
const many = `${maria}/PlantedMany.test.ts`

export const store: ReadonlyArray<Mutant> = [
  ...faultsIn("src/store/maria/Writes.ts", { breaks: ["P2", "R-DUR-2"], tests: [`${unit}/maria/Writes.test.ts`] }, [
    {
      id: "store-writes-commit-before-what-forbids-it",
      from: " || noted.some(({ isAsked }) => isAsked)\n",
      to: "\n"
    },
    {
      id: "store-writes-of-any-number-go-with-commit",
      from: "writes.length > writesMax || isWaitedFor",
      to: "isWaitedFor"
    },
    { id: "store-writes-late-one-is-in-no-transaction", from: "      isSealed = true\n", to: "" },
    {
      id: "store-writes-commit-before-a-late-one",
      from: "started.some((promise) => !given.has(promise)) || noted.some",
      to: "noted.some"
    },
    {
      id: "store-writes-of-nothing-is-waited-for",
      from: "give(Promise.resolve(0))",
      to: "Promise.resolve(0)",
      breaks: ["P6"]
    }
  ]),
  ...faultsIn(
    "src/store/maria/DatabaseFailure.ts",
    { breaks: ["P2", "R-DUR-4"], tests: [`${unit}/maria/DatabaseFailure.test.ts`] },
    [
      {
        id: "store-failure-lost-race-does-not-pass",
        from: "isUnreachable(failure) || isRepeatable(failure) || cutShort",
        to: "isUnreachable(failure) || (isRepeatable(failure) && failure.fatal) || cutShort",
        breaks: ["P10", "R-DUR-4"]
      },
      {
        id: "store-failure-of-anything-with-a-code",
        from: 'first instanceof Error && "code" in first && typeof first.code',
        to: "typeof (first as { readonly code?: unknown })?.code"
      },
      {
        id: "store-constraint-is-of-the-first-statements-table",
        from: "uniqueKeyPattern.exec(key)?.groups?.table ?? first",
        to: "first"
      },
      {
        id: "store-connectors-word-is-the-servers",
        from: "  failure.errno < connectorsOwn &&\n",
        to: ""
      },
      {
        id: "store-failure-after-commit-is-none",
        from: " || isRepeatable(failure) || isBug(failure))",
        to: " || isRepeatable(failure) || failure.errno > 0)"
      }
    ]
  ),
  ...faultsIn("src/store/maria/Mariadb.ts", { breaks: ["P2", "R-DUR-4"], tests: [faults] }, [
    {
      id: "store-commit-a-bug-is-a-defect",
      from: "        if (progress.commitSent) {",
      to: "        if (progress.commitSent && !isBug(failure)) {"
    },
    {
      id: "store-commit-with-writes-unknown-told-as-undone",
      from: "connection.commitWith(writes, sending), isOfStatement)",
      to: "connection.commitWith(writes, sending), () => true)"
    },
    {
      id: "store-commit-that-was-not-sent-is-unknown",
      from: "if (!isSent || isUndone(failure))",
      to: "if (isUndone(failure))",
      tests: ["test/integration/store/maria/PreparedLimit.test.ts"]
    },
    {
      id: "store-begins-what-cannot-end",
      from: "nowMs() - beganMs > waitMaxMs ?",
      to: "nowMs() < beganMs ?",
      breaks: ["R-LIM-5"],
      tests: ["test/integration/store/maria/WaitedTooLong.test.ts"]
    },
    {
      id: "store-late-one-takes-its-connection-with-it",
      from: "Effect.fail(timedOut(false))",
      to: "Effect.fail(timedOut(true))",
      breaks: ["R-LIM-5"],
      tests: ["test/integration/store/maria/WaitedTooLong.test.ts"]
    }
  ]),
  ...faultsIn("src/store/maria/Committings.ts", { breaks: ["P6"], tests: [`${unit}/maria/Committings.test.ts`] }, [
    {
      id: "store-commit-with-writes-prepared-without-bound",
      from: "taken.size >= committingsMax",
      to: "taken.size >= 1e9"
    },
    {
      id: "store-commit-with-writes-first-ones-for-ever",
      from: "if (isFull && !metOnce.delete(sql)) {",
      to: "if (isFull) {"
    },
    {
      id: "store-commit-with-writes-rare-ones-push-out-others",
      from: "if (isFull && !metOnce.delete(sql)) {",
      to: "if (isFull && metOnce.size < 0) {"
    },
    {
      id: "store-commit-with-writes-met-once-is-remembered-for-ever",
      from: "      if (metOnce.size >= committingsMax) forgetFirst(metOnce)\n",
      to: ""
    },
    {
      id: "store-commit-with-writes-place-is-not-given-up",
      from: "    if (isFull) forgetFirst(taken)\n",
      to: ""
    }
  ]),
  ...faultsIn("src/store/maria/MariadbConnection.ts", { breaks: ["P2", "R-DUR-2"], tests: [faults] }, [
    {
      id: "store-commit-with-writes-sent-apart-and-not-committed",
      from: "return Promise.all([Promise.all(sent), commit(sending)])",
      to: "return Promise.all([Promise.all(sent)])"
    },
    {
      id: "store-commit-with-writes-sent-unheard",
      from: "        sending()\n",
      to: ""
    },
    {
      id: "store-commit-with-writes-sent-apart-give-nothing-back",
      from: "([given]) => given.flatMap(rowsGiven)",
      to: "() => []"
    },
    {
      id: "store-commit-with-writes-give-nothing-back",
      from: "Array.isArray(given) ? given.flatMap(rowsGiven) : []",
      to: "Array.isArray(given) ? [] : []",
      breaks: ["R-REF-13"],
      tests: [`${maria}/MariaRefreshStore.test.ts`]
    },
    {
      id: "store-look-up-is-not-prepared-first",
      from: "    read,\n",
      to: "    read: (sql, values) => connection.execute<ReadonlyArray<Row>>(sql, values),\n",
      breaks: ["P10", "R-BUS-10"],
      tests: ["test/integration/store/maria/PreparedLimit.test.ts"]
    },
    {
      id: "store-commit-with-writes-whatever-failed",
      from: "`BEGIN NOT ATOMIC ${",
      to: "`BEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END; ${"
    }
  ]),
  ...faultsIn("src/store/maria/Flights.ts", { breaks: ["P2", "R-DUR-2"], tests: [`${unit}/maria/Flights.test.ts`] }, [
    {
      id: "store-flights-alone-is-not-prepared",
      from: "if (batches.size + lacking.size === 0) return []",
      to: "if (batches.size + lacking.size <= 1) return []"
    },
    {
      id: "store-flights-keep-what-was-prepared-beside-a-failure",
      from: "      letGo(given)\n",
      to: ""
    },
    {
      id: "store-flights-prepared-each-time",
      from: "sql !== null && !kept.has(sql)",
      to: "sql !== null"
    },
    {
      id: "store-flights-keep-one-for-another",
      from: "kept.set(sql, given[batches.size + at]!)",
      to: "kept.set(sql, given[at]!)"
    },
    {
      id: "store-flights-answer-of-the-one-before",
      from: "const result = results[index]!",
      to: "const result = results[Math.max(0, index - 1)]!",
      breaks: ["P1", "P2", "P5"],
      tests: [`${maria}/maria/OwnAnswers.test.ts`]
    },
    {
      id: "store-flights-keep-for-ever",
      from: "if (kept.size <= keptMax) return",
      to: "if (kept.size >= 0) return"
    },
    {
      id: "store-flights-used-last-goes-first",
      from: "    kept.delete(sql)\n    kept.set(sql, prepared)\n",
      to: ""
    },
    {
      id: "store-flights-commit-sent-unheard",
      from: "        sending()\n",
      to: "",
      tests: [faults]
    },
    {
      id: "store-flights-last-commits-each-by-itself",
      from: 'if (kind === "statement" || kind === "last")',
      to: 'if (kind === "statement")'
    }
  ]),
  ...faultsIn(
    "src/store/maria/MariaTokenLookup.ts",
    { breaks: ["P6", "R-SEC-30"], tests: ["test/integration/store/PlantedTokens.test.ts"] },
    [
      {
        id: "store-lookup-one-row-takes-all",
        from: "hashColumn)), readOf(row)]",
        to: "hashColumn)), hotTokenOf(row)]"
      },
      {
        id: "store-lookup-number-is-no-token",
        from: "readOrNull(row) ?? readOrNull(row.map(cut)) ??",
        to: "readOrNull(row) ??"
      }
    ]
  ),
  ...faultsIn(
    "src/store/maria/Lookups.ts",
    { breaks: ["P6", "R-SEC-30"], tests: ["test/integration/store/PlantedTokens.test.ts"] },
    [{ id: "store-lookup-number-takes-all", from: ", roundsNumbers: true }", to: " }" }]
  ),
  ...faultsIn(
    "src/store/AuditChain.ts",
    {
      breaks: ["P8", "R-SEC-7", "R-AUD-1"],
      tests: [
        `${unit}/AuditWalk.test.ts`,
        `${unit}/MemoryAuditStore.test.ts`,
        "test/unit/actors/audit/Verification.test.ts"
      ]
    },
    [
      {
        id: "store-chain-who-is-not-covered",
        from: "seq, at, actor, by, account, user, client, correlationId]",
        to: "seq, at, actor, by, account, user, correlationId]"
      },
      {
        id: "store-chain-difference-is-not-covered",
        from: "...[action, entityType, entityId, diff, prevHash]",
        to: "...[action, entityType, entityId, prevHash]"
      },
      { id: "store-chain-numbers-one-off", from: "seq: head.seq + index + 1", to: "seq: head.seq + index + 2" },
      {
        id: "store-chain-half-a-character",
        from: "text.slice(0, max).toWellFormed()",
        to: "text.slice(0, max)",
        breaks: ["R-AUD-2"],
        tests: [
          `${unit}/MemoryAuditStore.test.ts`,
          `${maria}/MariaAuditStore.test.ts`,
          "test/unit/actors/audit/Repairs.test.ts"
        ]
      },
      {
        id: "store-chain-old-row-says-more",
        from: "version === 1 && [account",
        to: "version !== 1 && version !== 2 && [account",
        tests: [`${unit}/AuditWalk.test.ts`]
      }
    ]
  ),
  ...faultsIn("src/store/AuditWalk.ts", { breaks: ["P8", "R-SEC-7"], tests: [`${unit}/AuditWalk.test.ts`] }, [
    { id: "store-walk-missing-row", from: "if (row.seq > expected) return", to: "if (row.seq > expected + 1) return" },
    { id: "store-walk-row-twice", from: "if (row.seq < expected) return", to: "if (row.seq < 0) return" },
    {
      id: "store-walk-does-not-follow",
      from: "if (row.prevHash !== before.hash) return",
      to: "if (row.prevHash.length !== before.hash.length) return"
    },
    {
      id: "store-walk-anchor-is-not-compared",
      from: "anchor !== undefined && anchor !== row.hash",
      to: "anchor !== undefined && anchor.length !== row.hash.length",
      breaks: ["R-AUD-3"]
    }
  ]),
  ...faultsIn(
    "src/store/checkChanges.ts",
    { breaks: ["P2"], tests: [`${unit}/TenantStore.test.ts`, `${unit}/MemoryCredentialStore.test.ts`] },
    [
      {
        id: "store-check-other-tenants-token",
        from: "changes.tokensInserted.every((token) => token.tenantId === tenantId)",
        to: "changes.tokensInserted.every((token) => token.tenantId.length > 0)"
      },
      {
        id: "store-check-sequence-jumps",
        from: "changes.revocation.seq === loaded.revocationSeq + 1",
        to: "changes.revocation.seq > loaded.revocationSeq",
        breaks: ["P1"]
      },
      {
        id: "store-check-held-without-revocation",
        from: "changes.revocation !== null || changes.outbox.every",
        to: "changes.revocation === null || changes.outbox.every",
        breaks: ["R-EVT-2", "P3"]
      },
      {
        id: "store-check-event-of-any-size",
        from: "must(changes.outbox.every(fitsMessage)",
        to: "must(changes.outbox.length < 0 || changes.outbox.some(fitsMessage) || changes.outbox.length === 0",
        breaks: ["R-EVT-6"]
      },
      {
        id: "store-check-other-tenants-credential",
        from: "touched.every((credential) => credential.tenantId === tenantId)",
        to: "touched.every((credential) => credential.tenantId.length > 0)",
        breaks: ["P5"]
      },
      {
        id: "store-check-needed-key-retired",
        from: "loaded.keys?.rows.get(keyId) === 0",
        to: "loaded.keys?.rows.has(keyId)",
        breaks: ["R-SEC-4"],
        tests: [`${unit}/KeyRotationStore.test.ts`]
      }
    ]
  ),
  ...faultsIn(
    "src/store/Stock.ts",
    {
      breaks: ["R-ACT-5"],
      tests: [`${unit}/Stock.test.ts`, `${maria}/TenantStore.test.ts`]
    },
    [
      {
        id: "store-stock-revoked-counts",
        from: 'token !== undefined && token.status !== "Revoked"',
        to: "token !== undefined"
      },
      {
        id: "store-stock-updated-counts-again",
        from: "        count(tokensUpdated, ({ tokenId }) => countsAsToken(token(tokenId))) -\n",
        to: ""
      },
      {
        id: "store-stock-deleted-counts-on",
        from: " -\n        count(tokensDeleted, (tokenId) => countsAsToken(token(tokenId)))",
        to: " -\n        count(tokensDeleted, (tokenId) => !countsAsToken(token(tokenId)))"
      }
    ]
  ),

  // ---- SQL
  ...faultsIn(
    "src/store/maria/load/tenant.ts",
    { breaks: ["P2", "R-DUR-3"], tests: [guards, `${maria}/TenantStore.test.ts`] },
    [
      { id: "store-sql-tenant-not-locked", from: "WHERE c.tenant_id = ? FOR UPDATE", to: "WHERE c.tenant_id = ?" },
      {
        id: "store-tenants-end-at-a-limit-that-is-none",
        from: 'typeof written === "object" && written !== null ?',
        to: 'typeof written === "object" ?',
        breaks: ["R-SEC-30"],
        tests: [many]
      },
      {
        id: "store-tenants-end-at-a-number",
        from: "numbers.has(column) ?",
        to: "numbers.has(column) && column.length < 8 ?",
        breaks: ["R-SEC-30"],
        tests: [many]
      }
    ]
  ),
  ...faultsIn("src/store/maria/CredentialRow.ts", { breaks: ["R-SEC-30"], tests: [many] }, [
    { id: "store-sift-ends-at-a-number", from: "_(?:at|ms|urgency)$", to: "_(?:ms|urgency)$" }
  ]),
  ...faultsIn("src/store/maria/MariaAuditStore.ts", { breaks: ["P8", "R-SEC-30"], tests: [many] }, [
    {
      id: "store-audit-heads-end-at-a-head",
      from: '${Columns.clampedSql("c.audit_seq")}',
      to: "c.audit_seq"
    }
  ]),
  ...faultsIn("src/store/maria/ClientRow.ts", { breaks: ["P6", "R-SEC-30"], tests: [many] }, [
    {
      id: "store-logins-end-at-a-row-that-is-none",
      from: "    return changedClientOf(row, name)\n",
      to: "    return clientOf(row)\n"
    },
    { id: "store-logins-end-at-a-number", from: 'column.endsWith("_at")', to: 'column.endsWith("_on")' }
  ]),
  ...faultsIn(
    "src/store/maria/MariaAuditCuts.ts",
    { breaks: ["R-SEC-30"], tests: [`${maria}/MariaAuditStore.test.ts`] },
    [{ id: "store-sql-cuts-read-from-the-first", from: "WHERE s.tenant_id > ? AND", to: "WHERE s.tenant_id >= ? AND" }]
  ),
  ...faultsIn("src/store/maria/MariaPlatformStore.ts", { breaks: ["R-SEC-30"], tests: [many] }, [
    {
      id: "store-sql-withdrawals-read-from-the-first",
      from: "FROM application_withdrawals WHERE app_name > ?",
      to: "FROM application_withdrawals WHERE app_name >= ?"
    },
    { id: "store-sql-issuer-for-nobody", from: "row[6] === null || row[7] === null", to: "row[6] === null" },
    { id: "store-sql-tenant-ended-at-no-moment", from: '${Columns.clampedSql("p.ended_at")}', to: "p.ended_at" },
    { id: "store-sql-withdrawal-at-no-moment", from: '${Columns.clampedSql("taken_at")}', to: "taken_at" },
    {
      id: "store-sql-inbox-seen-to-come",
      from: "LEAST(GREATEST(seen_at, 0), ${Columns.momentSql})",
      to: 'GREATEST(${Columns.clampedSql("seen_at")}, 0)'
    },
    {
      id: "store-settings-of-a-moment-to-come-hide-others",
      from: 'LEAST(${Columns.clampedSql("changed_at")}, ${Columns.momentSql})',
      to: '${Columns.clampedSql("changed_at")}'
    },
    { id: "store-settings-end-at-an-unknown-kind", from: ".filter(isKnown)", to: "" }
  ]),
  ...faultsIn("src/store/maria/RevokeAllRow.ts", { breaks: ["R-TOK-12", "R-SEC-30"], tests: [many] }, [
    {
      id: "store-populations-end-at-a-row-that-is-none",
      from: "    return changedOf(row)\n",
      to: '    throw new Error("it cannot be read")\n'
    },
    { id: "store-populations-end-at-a-number", from: "numbers.has(column) ?", to: "numbers.has(`${column} `) ?" }
  ]),
  ...faultsIn(
    "src/store/maria/load/keys.ts",
    { breaks: ["R-SEC-12"], tests: [guards, `${maria}/KeyRotationStore.test.ts`] },
    [
      {
        id: "store-sql-service-keys-not-locked",
        from: "WHERE tenant_id IS NULL AND wrapped <> '' LIMIT ? FOR UPDATE",
        to: "WHERE tenant_id IS NULL AND wrapped <> ''"
      },
      {
        id: "store-sql-named-keys-not-locked",
        from: "WHERE key_id IN (${marks}) FOR UPDATE",
        to: "WHERE key_id IN (${marks})"
      }
    ]
  ),
  ...faultsIn(
    "src/store/maria/apply/tokens.ts",
    {
      breaks: ["P9", "R-SEC-17"],
      tests: [guards, `${maria}/TenantStore.test.ts`, `${maria}/KeyRotationStore.test.ts`]
    },
    [
      {
        id: "store-sql-token-deleted-of-any-tenant",
        from: "DELETE FROM tokens WHERE tenant_id = ? AND token_id IN",
        to: "DELETE FROM tokens WHERE tenant_id <> ? OR token_id IN",
        breaks: ["P6"]
      },
      {
        id: "store-sql-last-use-goes-back",
        from: "NULLIF(GREATEST(COALESCE(last_used_at, 0), ?), 0)",
        to: "NULLIF(?, 0)",
        breaks: ["R-TOK-9"]
      }
    ]
  ),
  ...faultsIn(
    "src/store/maria/load/tokens.ts",
    { breaks: ["P6", "R-ACC-7"], tests: [`${maria}/TenantStore.test.ts`] },
    [
      {
        id: "store-sql-token-of-another-tenant",
        from: "WHERE t.tenant_id = ? AND",
        to: "WHERE t.tenant_id <> CONCAT(?, '-') AND",
        breaks: ["P6", "R-ACC-7", "R-TOK-8"]
      }
    ]
  ),
  ...faultsIn(
    "src/store/maria/load/credentials.ts",
    { breaks: ["P5", "R-ACC-7"], tests: [`${maria}/MariaCredentialStore.test.ts`] },
    [
      {
        id: "store-sql-credential-of-another-tenant",
        from: "FROM credentials WHERE tenant_id IN (?, ?) AND credential_id IN",
        to: "FROM credentials WHERE tenant_id NOT IN (CONCAT(?, '-'), CONCAT(?, '-')) AND credential_id IN"
      }
    ]
  ),
  ...faultsIn("src/store/checkChanges.ts", { breaks: ["R-EVT-6"], tests: [`${unit}/checkChanges.test.ts`] }, [
    {
      id: "store-check-characters-for-bytes",
      from: "if (jsonBytesMax * characters + payload.length < eventBytesMax)",
      to: "if (characters + payload.length < eventBytesMax)"
    }
  ]),
  ...faultsIn("src/store/maria/apply/audit.ts", { breaks: ["P8"], tests: [`${maria}/MariaAuditStore.test.ts`] }, [
    { id: "store-audit-first-hash-for-all", from: "if (hash !== text)", to: 'if (text === "")' }
  ]),
  ...faultsIn("src/store/maria/Columns.ts", { breaks: ["R-LIM-4"], tests: [`${maria}/PlantedRows.test.ts`] }, [
    { id: "store-load-reads-what-may-not-be", from: "if (rows.length > max) throw", to: "if (rows.length < 0) throw" }
  ]),
  ...faultsIn("src/store/maria/Columns.ts", { breaks: ["P9"], tests: ["test/unit/store/maria/Columns.test.ts"] }, [
    { id: "store-id-of-any-character", from: "(high | low) >= noNibble", to: "(high & low) >= noNibble" },
    { id: "store-id-without-its-dashes", from: "text.charCodeAt(at++) !== dash", to: "text.charCodeAt(at++) < 0" }
  ]),
  ...faultsIn(
    "src/store/maria/load/credentials.ts",
    { breaks: ["R-ACC-7"], tests: ["test/unit/store/maria/loadCredentials.test.ts"] },
    [
      {
        id: "store-load-newest-after-the-active",
        from: "Columns.rowsIn(session, newestInSlots, unique(slots), [tenantId])",
        to: "loadActive(session, tenantId, unique(slots)).then(() => Columns.rowsIn(session, newestInSlots, unique(slots), [tenantId]))"
      },
      {
        id: "store-load-newest-beside-the-active",
        from: "!taken.has(slotOf(credential))",
        to: "taken.size >= 0"
      }
    ]
  ),
  ...faultsIn("src/store/maria/load/credentials.ts", { breaks: ["R-LIM-4"], tests: [`${maria}/PlantedRows.test.ts`] }, [
    {
      id: "store-load-versions-without-number",
      from: "Columns.rowsWithin(session, versionsOfIds, ids, [], kept)",
      to: "Columns.rowsIn(session, versionsOfIds, ids)"
    },
    {
      id: "store-load-versions-in-slots-without-number",
      from: "Columns.rowsWithin(session, versionsInSlots, unique(load.slots), [tenantId], kept)",
      to: "Columns.rowsIn(session, versionsInSlots, unique(load.slots), [tenantId])"
    }
  ]),
  ...faultsIn("src/store/maria/KeyRow.ts", { breaks: ["R-SEC-4", "P8"], tests: [`${maria}/KeyStore.test.ts`] }, [
    {
      id: "store-row-key-made-at-no-moment",
      from: 'const createdSql = Columns.clampedSql("created_at")',
      to: 'const createdSql = "created_at"',
      breaks: ["R-SEC-30"],
      tests: [`${maria}/PlantedMany.test.ts`]
    },
    {
      id: "store-row-key-of-any-age",
      from: "Columns.clampedSql(`${Columns.nowSql} - ${createdSql}`)",
      to: "`${Columns.nowSql} - ${createdSql}`",
      breaks: ["R-SEC-30"],
      tests: [`${maria}/PlantedMany.test.ts`]
    },
    { id: "store-row-key-without-its-link", from: "...linkOf(Columns.textOrNull(row, 7))", to: "...linkOf(null)" }
  ]),
  ...faultsIn(
    "src/store/maria/load/entries.ts",
    { breaks: ["R-REF-7"], tests: [`${maria}/MariaRefreshStore.test.ts`] },
    [
      {
        id: "store-sql-provider-in-use-by-a-revoked-one",
        from: "WHERE tenant_id = ? AND ${column} IN (${marks}) AND state <> 1`",
        to: "WHERE tenant_id = ? AND ${column} IN (${marks})`"
      },
      {
        id: "store-sql-entry-of-global-meant-by-who-has-its-own",
        from: "WHERE e.tenant_id = c.tenant_id AND e.name",
        to: "WHERE e.tenant_id <> c.tenant_id AND e.name"
      }
    ]
  ),
  ...faultsIn(
    "src/store/maria/load/keyRows.ts",
    { breaks: ["R-SEC-4", "P9"], tests: [`${maria}/KeyRotationStore.test.ts`] },
    [
      {
        id: "store-sql-key-of-answers-is-not-needed",
        from: "(${anyToken} OR ${anyVersion} OR ${anyAnswer})",
        to: "(${anyToken} OR ${anyVersion})"
      },
      {
        id: "store-sql-needed-keys-by-reading-all-rows",
        from: "`(SELECT 1 FROM ${table} r FORCE INDEX (${index}) WHERE r.${column} = k.key_id LIMIT 1) IS NOT NULL`",
        to: "`EXISTS (SELECT 1 FROM ${table} r FORCE INDEX (${index}) WHERE r.${column} = k.key_id)`",
        breaks: ["R-RUN-16"],
        tests: [plans]
      },
      {
        id: "store-sql-rows-of-versions-not-counted",
        from: "Math.min(limit, Columns.whole(row, 0) + Columns.whole(row, 1))",
        to: "Math.min(limit, Columns.whole(row, 0))"
      }
    ]
  ),
  ...faultsIn(
    "src/store/maria/apply/keyMoves.ts",
    { breaks: ["P9", "R-SEC-17"], tests: [`${maria}/KeyRotationStore.test.ts`] },
    [
      {
        id: "store-sql-moves-without-the-tenants-lock",
        from: "  await lockTenant(session, tenantId)\n",
        to: "  if (moves.length < 0) await lockTenant(session, tenantId)\n",
        tests: [guards, `${maria}/KeyRotationStore.test.ts`]
      },
      {
        id: "store-sql-moves-a-row-that-was-changed",
        from: "AND hash_key_id = ? AND hash = ? AND mac <=> ?`",
        to: "AND hash_key_id = ? AND (hash = ? OR mac <=> ?)`"
      },
      {
        id: "store-sql-moves-a-secret-that-was-rotated",
        from: "AND key_id = ?\n    AND RIGHT(sealed, ${tagBytes}) = ${own}`",
        to: "AND (key_id = ? OR RIGHT(sealed, ${tagBytes}) = ${own})`"
      },
      {
        id: "store-sql-moves-a-secret-of-another-tag",
        from: "RIGHT(sealed, ${tagBytes}) = ${own}`",
        to: "LENGTH(sealed) >= LENGTH(${own})`"
      },
      {
        id: "store-sql-moves-a-secret-to-its-neighbours-record",
        from: "...moves.map(({ newSealed }) => Columns.sameBytes(newSealed)),",
        to: "...moves.map((_, nth) => Columns.sameBytes(moves.at(nth - 1)!.newSealed)),"
      },
      {
        id: "store-sql-moves-a-secret-of-its-neighbours-tag",
        from: "...moves.map(({ sealed }) => Columns.sameBytes(tagOf(sealed)))",
        to: "...moves.map((_, nth) => Columns.sameBytes(tagOf(moves.at(nth - 1)!.sealed)))"
      },
      {
        id: "store-sql-moves-secrets-by-their-credential-alone",
        from: "FIELD(CONCAT(credential_id, version), ",
        to: "FIELD(CONCAT(credential_id, 1), "
      },
      {
        id: "store-sql-moved-secrets-are-all-that-were-asked-for",
        from: ".reduce((sum, rows) => sum + rows, 0)",
        to: ".reduce((sum) => sum, moves.length)"
      },
      {
        id: "store-sql-moves-secrets-under-the-first-ones-key",
        from: "bytes > pieceBytesMax || move.newKeyId !== newKeyId",
        to: "bytes > pieceBytesMax || newKeyId.length < 0"
      },
      {
        id: "store-sql-moves-large-secrets-in-one-statement",
        from: "bytes > pieceBytesMax || move.newKeyId",
        to: "bytes < 0 || move.newKeyId",
        tests: [plans]
      },
      {
        id: "store-sql-moves-secrets-one-by-one",
        from: "pieceSizes.find((size) => size <= rows) ?? 1",
        to: "pieceSizes.find((size) => size * rows < 0) ?? 1",
        tests: [plans]
      },
      {
        id: "store-sql-moves-secrets-past-their-index",
        from: "WHERE (credential_id, version) IN",
        to: "WHERE (credential_id, version + 0) IN",
        tests: [plans]
      },
      {
        id: "store-sql-moves-secrets-while-somebody-changes-them",
        from: "    AND RIGHT(sealed, ${tagBytes}) = ${own}`",
        to: "    AND ${own} IS NOT NULL`",
        tests: [guards]
      }
    ]
  ),
  ...faultsIn(
    "src/store/maria/MariaTokenLookup.ts",
    { breaks: ["R-TOK-7", "P1"], tests: [`${maria}/TokenLookup.test.ts`] },
    [
      {
        id: "store-sql-validation-of-a-removed-tenant",
        from: "ON n.tenant_id = t.tenant_id AND n.removed_at IS NULL",
        to: "ON n.tenant_id = t.tenant_id",
        breaks: ["R-TOK-7", "R-BUS-14"]
      },
      {
        id: "store-sql-validation-of-a-removed-application",
        from: "ON a.app_name = t.app_name AND a.removed_at IS NULL\n",
        to: "ON a.app_name = t.app_name\n"
      },
      {
        id: "store-sql-validation-out-of-service",
        from: "      AND a.out_of_service IS NULL\n    STRAIGHT_JOIN tenants",
        to: "    STRAIGHT_JOIN tenants",
        breaks: ["R-PLT-11"]
      }
    ]
  ),
  ...faultsIn("src/store/maria/MariaTenantStore.ts", { breaks: ["R-ACC-7"], tests: [`${maria}/TenantStore.test.ts`] }, [
    {
      id: "store-sql-token-shown-to-another-tenant",
      from: "FROM tokens WHERE token_id = ? AND tenant_id = ?`",
      to: "FROM tokens WHERE token_id = ? AND tenant_id <> CONCAT(?, '-')`"
    },
    {
      id: "store-sql-list-repeats-the-last",
      from: "FORCE INDEX (ix_applications_tenant)\n  WHERE tenant_id = ? AND app_name > ?",
      to: "FORCE INDEX (ix_applications_tenant)\n  WHERE tenant_id = ? AND app_name >= ?",
      breaks: ["R-BUS-6"]
    },
    {
      id: "store-sql-page-without-next",
      from: "next: rows.length > limit && last !== undefined ? key(last) : null",
      to: "next: rows.length > limit + 1 && last !== undefined ? key(last) : null",
      breaks: ["R-BUS-6"]
    },
    {
      id: "store-sql-read-without-the-lock",
      survives:
        "of several who create a tenant at once all but one fail by its primary key, and nothing of theirs is written: a second fence",
      from: "  if (load.createsTenant === true) await locking\n",
      to: "",
      breaks: ["R-DUR-5"]
    }
  ]),
  ...faultsIn(
    "src/store/maria/MariaOutbox.ts",
    { breaks: ["P3", "R-EVT-1"], tests: [guards, `${maria}/Outbox.test.ts`] },
    [
      {
        id: "store-sql-relay-term-not-locked",
        from: "FROM relay_term WHERE id = 1 FOR UPDATE",
        to: "FROM relay_term WHERE id = 1"
      },
      {
        id: "store-sql-relay-deletes-behind-its-rows",
        from: "WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
        to: "WHERE id BETWEEN ? AND ? AND id > -?"
      },
      {
        id: "store-sql-relay-deletes-between-its-rows",
        from: "sorted[end] === sorted[end - 1]! + 1",
        to: "sorted[end]! <= sorted[end - 1]! + 2"
      },
      {
        id: "store-sql-relay-fence-lost",
        from: "Columns.whole(row, 0) !== term) return",
        to: "Columns.whole(row, 0) < term) return"
      },
      {
        id: "store-sql-relay-term-taken-from-holder",
        from: "holder !== null && expiresAt > now &&",
        to: "holder !== null && expiresAt > now + 60_000 &&"
      },
      {
        id: "store-sql-relay-same-term-for-the-next",
        from: "const next = holder === process ? term : follower",
        to: "const next = holder === null ? follower : term"
      },
      {
        id: "store-sql-all-in-force-of-a-tenant",
        from: "DELETE FROM pending_revocations WHERE tenant_id = ? AND seq = ?",
        to: "DELETE FROM pending_revocations WHERE tenant_id = ? AND seq <= ?",
        breaks: ["P1", "R-EVT-2"]
      },
      ...[
        { id: "store-sql-term-for-years", from: "expiresAt <= now + termMsMax", to: "expiresAt >= termMsMax" },
        { id: "store-sql-no-term-at-all", from: "    await session.run(makeTermSql)\n", to: "" },
        {
          id: "store-sql-term-of-any-number",
          from: "term < termNumberMax ? term + 1 : now",
          to: "term < 0 ? now : term + 1",
          tests: [many]
        },
        {
          id: "store-sql-place-that-no-stream-came-to",
          from: "IF(sequence <= ${Number.MAX_SAFE_INTEGER}, sequence, NULL)",
          to: "sequence"
        }
      ].map((fault) => ({ tests: [sharedRows], ...fault, breaks: ["P3", "R-SEC-30"] })),
      {
        id: "store-sql-revocation-committed-to-come",
        from: " OR committed_at > ${Columns.nowSql} + ?)",
        to: " OR committed_at < -?)",
        breaks: ["P1", "R-SEC-30"],
        tests: [`${maria}/PlantedPending.test.ts`]
      }
    ]
  ),
  ...faultsIn("src/store/maria/load/outbox.ts", { breaks: ["P3", "R-EVT-1"], tests: [`${maria}/Outbox.test.ts`] }, [
    {
      id: "store-outbox-read-again-for-a-row",
      from: "2 * before.filter((row) => !isHeld(row)).length >= limit",
      to: "before.length > limit",
      breaks: ["P6", "R-EVT-1"],
      tests: [`${unit}/maria/unsent.test.ts`]
    },
    {
      id: "store-outbox-filled-by-what-may-not-leave",
      from: "2 * before.filter((row) => !isHeld(row)).length >= limit",
      to: "4 * before.filter((row) => !isHeld(row)).length >= limit",
      tests: [`${unit}/maria/unsent.test.ts`]
    },
    {
      id: "store-outbox-short-page-of-what-may-not-leave",
      from: "limit > fewRows && 2",
      to: "limit > 0 && 2",
      tests: [`${unit}/maria/unsent.test.ts`]
    },
    {
      id: "store-sql-relay-is-handed-large-rows",
      breaks: ["R-EVT-5"],
      tests: [`${maria}/maria/LargeRows.test.ts`],
      from: "LENGTH(o.payload) > ${eventBytesMax}`",
      to: "LENGTH(o.payload) > 16 * ${eventBytesMax}`"
    },
    {
      id: "store-sql-held-event-leaves",
      from: "IF(p.seq IS NULL, 0, 1)",
      to: "IF(p.seq IS NULL, 0, 0)",
      breaks: ["R-EVT-2"]
    },
    { id: "store-sql-order-of-events", from: "  ORDER BY o.id LIMIT ?`", to: "  ORDER BY o.id DESC LIMIT ?`" },
    {
      id: "store-unsent-held-fill-the-answer",
      from: "if (rows.length < limit || before.length === limit) return",
      to: "if (rows.length <= limit || before.length === limit) return"
    },
    {
      id: "store-unsent-others-twice",
      from: "found.push(...before.filter((row) => lastOf.has(tenantOf(row))))",
      to: "found.push(...before)"
    },
    {
      id: "store-unsent-short-where-there-is-more",
      from: "> Columns.listSizeMax) return merged(found, rows, limit)",
      to: "> Columns.listSizeMax) return merged(found, before, limit)",
      tests: ["test/unit/store/maria/unsent.test.ts"]
    },
    {
      id: "store-unsent-tenant-of-two-statements",
      from: "    const rows = await session.rows(unsentSql(chunk.marks), [...chunk.values, limit])\n",
      to: "    const rows = (await session.rows(unsentSql(chunk.marks), [...chunk.values, limit])).filter((row) => idOf(row) > (found[0]?.[0] ?? 0))\n",
      tests: ["test/unit/store/maria/unsent.test.ts"]
    }
  ]),
  ...faultsIn("src/store/maria/RowNumbers.ts", { breaks: ["P2", "R-SEC-30"], tests: [sharedRows] }, [
    {
      id: "store-numbers-only-where-a-row-stands",
      from: "AND AUTO_INCREMENT > ${awayFrom}`",
      to: "AND AUTO_INCREMENT > 4096 * ${awayFrom} - 1`"
    },
    {
      id: "store-numbers-rows-stay-where-they-are",
      from: "WHERE ${column} > ${keptMax} ORDER BY",
      to: "WHERE ${column} < 0 ORDER BY"
    },
    {
      id: "store-numbers-count-goes-on-there",
      from: "AUTO_INCREMENT = ${Columns.whole(last, 0) + 1}`",
      to: "COMMENT = '${Columns.whole(last, 0) + 1}'`",
      tests: [`${sharedRows}#of a turn at a provider`]
    }
  ]),
  ...faultsIn("src/store/maria/MariaTokenUse.ts", { breaks: ["R-TOK-9"], tests: [`${maria}/TokenUse.test.ts`] }, [
    {
      id: "store-sql-last-use-of-an-earlier-flush",
      from: "(last_used_at IS NULL OR last_used_at < ?)",
      to: "(last_used_at IS NULL OR last_used_at <> ?)"
    }
  ]),
  ...faultsIn("src/store/DueLooks.ts", { breaks: ["R-RUN-16"], tests: [`${unit}/DueLooks.test.ts`] }, [
    {
      id: "store-due-everybody-is-woken",
      from: "seeker.work.some((one) => ended.value.has(one))",
      to: "seeker.work.some((one) => ended.value.has(one) || true)"
    },
    {
      id: "store-due-looks-end-with-one-that-is-interrupted",
      from: "if (Exit.hasDies(ended)) yield* ended",
      to: "if (Exit.isFailure(ended) && !Exit.hasFails(ended)) yield* ended",
      breaks: ["R-TOK-4"]
    },
    {
      id: "store-due-nobody-is-woken-by-a-failure",
      from: "!Exit.isSuccess(ended) || seeker.work",
      to: "Exit.isSuccess(ended) && seeker.work",
      breaks: ["R-TOK-4"]
    },
    {
      id: "store-due-all-wait-for-a-look-that-hangs",
      from: "      const ended = yield* Fiber.await(looking).pipe(\n        Effect.raceFirst(Effect.forever(Effect.andThen(Effect.sleep(every), lateness)))\n      )\n",
      to: "      const ended = yield* Fiber.await(looking)\n      if (seekers.size < 0) yield* lateness\n",
      breaks: ["R-TOK-4"]
    },
    {
      id: "store-due-woken-by-a-hanging-look-once",
      from: "Effect.forever(Effect.andThen(Effect.sleep(every), lateness))",
      to: "Effect.andThen(Effect.andThen(Effect.sleep(every), lateness), Effect.never)",
      breaks: ["R-TOK-4"]
    },
    {
      id: "store-due-what-a-late-look-brings-is-lost",
      from: "const lateness = Effect.sync(() => wake(seekers, () => true))",
      to: "const lateness = Effect.andThen(Effect.sync(() => wake(seekers, () => true)), Fiber.interrupt(looking))"
    },
    { id: "store-due-a-look-for-each-loop", from: "      groups.set(ms, seekers)\n", to: "" },
    { id: "store-due-all-look-as-often", from: "const known = groups.get(ms)", to: "const [known] = groups.values()" },
    {
      id: "store-due-looked-for-when-its-loop-is-gone",
      from: "() => Effect.sync(() => seekers.delete(seeker))",
      to: "() => Effect.sync(() => seekers.has(seeker))"
    },
    {
      id: "store-due-found-once-and-for-ever",
      from: "Effect.asVoid(seeker.some.close)",
      to: "Effect.asVoid(seeker.some.await)"
    }
  ]),
  ...faultsIn("src/store/maria/MariaDueWork.ts", { breaks: ["R-RUN-16"], tests: [`${maria}/DueWork.test.ts`] }, [
    {
      id: "store-sql-due-tokens-found-late",
      from: "FORCE INDEX (ix_tokens_due) WHERE due_at <= ${Columns.nowSql}",
      to: "FORCE INDEX (ix_tokens_due) WHERE due_at < ${Columns.nowSql} - 1800000000000",
      breaks: ["R-TOK-4"]
    },
    {
      id: "store-sql-due-tenants-are-forgotten",
      from: "FORCE INDEX (ix_tenants_removed) WHERE removed_at IS NOT NULL",
      to: "FORCE INDEX (ix_tenants_removed) WHERE removed_at IS NULL AND removed_at IS NOT NULL"
    },
    {
      id: "store-sql-due-answers-of-any-age",
      from: "created_at < ${Columns.nowSql} - ?",
      to: "created_at < ${Columns.nowSql} + ?"
    },
    {
      id: "store-sql-due-keys-of-any-age",
      from: "COALESCE(ended_retention, ?)",
      to: "COALESCE(0 * ?, ended_retention)"
    },
    { id: "store-sql-due-notices-of-any-end", from: "AND due_at <= ${Columns.nowSql} + ?)", to: "AND due_at > ?)" },
    {
      id: "store-sql-due-needed-keys-stay-retired",
      from: "k.wrapped = '' AND ${neededSql}",
      to: "k.wrapped = '' AND NOT ${neededSql}",
      breaks: ["R-SEC-4"]
    },
    {
      id: "store-sql-due-keys-stay-under-their-master-key",
      from: "WHERE master_key_id <> ? AND",
      to: "WHERE master_key_id = '' AND master_key_id <> ? AND",
      breaks: ["R-SEC-4"]
    },
    {
      id: "store-sql-due-sealing-key-is-never-worn",
      from: "AND uses >= ?",
      to: "AND uses < 0 AND uses >= ?",
      breaks: ["R-SEC-4"]
    },
    {
      id: "store-sql-due-run-does-not-end",
      from: "FROM key_rotation WHERE ended_at IS NULL",
      to: "FROM key_rotation WHERE ended_at < 0",
      breaks: ["R-SEC-4"]
    },
    {
      id: "store-sql-due-grants-give-no-notice",
      from: "WHERE refresh_noticed_ms >= 0",
      to: "WHERE refresh_noticed_ms < 0"
    }
  ]),
  ...faultsIn(
    "src/rotation/KeyErasureSweep.ts",
    { breaks: ["R-SEC-45"], tests: ["test/unit/rotation/dueWork.test.ts"] },
    [
      {
        id: "rotation-due-erasure-is-not-woken",
        from: 'work: ["keys of removed tenants"]',
        to: 'work: ["keys of the service that were followed"]'
      },
      {
        id: "rotation-due-credentials-of-removed-tenants-stay",
        file: "src/rotation/CredentialExpirySweep.ts",
        from: '        "notices to be given",\n        "applications or tenants that were removed"\n',
        to: '        "notices to be given"\n'
      },
      {
        id: "rotation-due-refreshes-are-not-woken",
        file: "src/rotation/RefreshLoop.ts",
        from: 'work: ["refreshes that are due"]',
        to: "work: []",
        breaks: ["R-REF-9"]
      },
      {
        id: "rotation-due-answers-kept-for-ever",
        file: "src/rotation/RemovalSweep.ts",
        from: "ages: { answersMs } }",
        to: "ages: { answersMs: 10 * answersMs } }",
        breaks: ["R-ACT-1"]
      },
      {
        id: "rotation-due-rows-are-not-moved",
        file: "src/crypto/KeyMover.ts",
        from: 'work: ["rows or keys to be moved"]',
        to: "work: []",
        breaks: ["R-SEC-4"]
      },
      {
        id: "rotation-due-erased-keys-are-not-looked-for",
        file: "src/crypto/KeyMover.ts",
        from: 'work: ["erased keys that rows need"]',
        to: "work: []",
        breaks: ["R-SEC-4"]
      },
      {
        id: "rotation-due-withdrawals-are-not-woken",
        file: "src/actors/platform/WithdrawalSweep.ts",
        from: 'work: ["applications out of service"]',
        to: "work: []",
        breaks: ["R-PLT-11"],
        tests: ["test/unit/actors/platform/WithdrawalSweep.test.ts"]
      },
      {
        id: "rotation-due-looks-by-itself-all-the-same",
        file: "src/rotation/TokenSweep.ts",
        from: "    Effect.andThen(some)\n",
        to: "    Effect.andThen(Effect.raceFirst(some, Effect.sleep(interval)))\n",
        breaks: ["R-RUN-16"]
      }
    ]
  ),
  ...faultsIn("src/store/maria/HeldClaims.ts", { breaks: ["P2"], tests: [`${unit}/maria/HeldClaims.test.ts`] }, [
    {
      id: "store-sql-sweep-held-for-ever",
      from: "if (mine !== undefined && from < mine.untilMs) return true",
      to: "if (mine !== undefined) return true"
    },
    {
      id: "store-sql-sweep-held-by-another-process",
      from: "held.get(sweep)?.process === process ? held.get(sweep) : undefined",
      to: "held.get(sweep)"
    },
    { id: "store-sql-sweep-asked-for-at-every-look", from: "untilMs: asked + ttlMs / 2 }", to: "untilMs: asked }" },
    {
      id: "store-sql-sweep-held-after-it-was-given-up",
      from: "if (claim.process === process) held.delete(sweep)\n        return forgetRead",
      to: "if (claim.process !== process) held.delete(sweep)\n        return forgetRead"
    },
    {
      id: "store-sweep-of-another-asked-for-at-every-look",
      from: "isKnown && (yield* isAnothers(sweep, process))",
      to: "!isKnown && (yield* isAnothers(sweep, process))",
      breaks: ["P10"]
    },
    {
      id: "store-sweeps-looked-at-one-by-one",
      from: "Exit.isSuccess(exit) ? lookEvery : Duration.zero",
      to: "Duration.zero",
      breaks: ["P10"]
    },
    {
      id: "store-sweeps-that-cannot-be-looked-at-rest",
      from: "Exit.isSuccess(exit) ? lookEvery : Duration.zero",
      to: "lookEvery",
      breaks: ["P10"]
    },
    {
      id: "store-sweep-of-who-died-waits-for-the-next-read",
      from: " && (yield* nowMs) < claim.untilMs",
      to: "",
      breaks: ["P10"]
    },
    {
      id: "store-sweep-of-ones-own-looked-at-as-anothers",
      from: "claim !== undefined && claim.process !== process",
      to: "claim !== undefined",
      breaks: ["P10"]
    },
    {
      id: "store-sweep-made-longer-asked-for-at-every-look",
      from: "        held.delete(sweep)\n        yield* forgetRead\n",
      to: "        held.delete(sweep)\n",
      breaks: ["P10"]
    },
    {
      id: "store-sql-sweep-claimed-for-years-looks-like-anothers",
      from: " AND expires_at <= ${Columns.nowSql} + ${claimMsMax}`",
      to: "`",
      breaks: ["R-SEC-30"],
      tests: [`${maria}/Sweeps.test.ts`]
    }
  ]),
  ...faultsIn(
    "src/store/maria/MariaSweeps.ts",
    { breaks: ["P2"], tests: [`${maria}/maria/QueryPlans.test.ts`, `${maria}/Sweeps.test.ts`] },
    [
      {
        id: "store-sql-sweep-given-up-is-held-still",
        from: "        forget(process),\n",
        to: "        Effect.void,\n"
      },
      {
        id: "store-sql-removed-applications-not-looked-for",
        from: "    OR EXISTS (SELECT 1 FROM applications FORCE INDEX (ix_applications_removed) WHERE removed_at IS NOT NULL)`",
        to: "`",
        breaks: ["R-TOK-7"]
      },
      {
        id: "store-sql-removed-tenants-not-looked-for",
        from: "    EXISTS (SELECT 1 FROM tenants FORCE INDEX (ix_tenants_removed) WHERE removed_at IS NOT NULL)\n    OR ",
        to: "    ",
        breaks: ["R-BUS-14"]
      }
    ]
  ),
  ...faultsIn("src/store/maria/MariaSweeps.ts", { breaks: ["P2"], tests: [`${maria}/Sweeps.test.ts`] }, [
    {
      id: "store-orphans-of-one-endpoint-taken-for-many",
      from: "t.token_id, t.app_name, t.endpoint_id\n  FROM applications a",
      to: "t.token_id, t.app_name, t.token_id\n  FROM applications a",
      tests: [`${maria}/Sweeps.test.ts#removed application or tenant`, "test/integration/rotation/sweeps.test.ts"],
      breaks: ["R-EVT-3"]
    },
    {
      id: "store-orphans-second-look-has-the-whole-limit",
      tests: ["test/unit/store/maria/lostRaces.test.ts"],
      from: "session.rows(orphansOfTenantsSql, [left])",
      to: "session.rows(orphansOfTenantsSql, [limit])"
    },
    {
      id: "store-sql-providers-of-those-who-stay-go",
      from: '"DELETE p FROM providers p JOIN tenants n ON n.tenant_id = p.tenant_id WHERE n.removed_at IS NOT NULL"',
      to: '"DELETE p FROM providers p JOIN tenants n ON n.tenant_id = p.tenant_id WHERE n.removed_at IS NULL"',
      tests: [`${maria}/Sweeps.test.ts#providers and rotators`]
    },
    {
      id: "store-sql-rotators-of-those-who-go-stay",
      from: "  await session.run(purgeRotatorsSql)\n",
      to: "",
      tests: [`${maria}/Sweeps.test.ts#providers and rotators`]
    },
    {
      id: "store-sql-sweep-taken-from-its-holder",
      from: "(replica_id = ? OR expires_at <= ${Columns.nowSql} OR",
      to: "(replica_id = ? OR expires_at >= ${Columns.nowSql} OR"
    },
    {
      id: "store-sql-sweep-claimed-for-years",
      from: " OR expires_at > ${Columns.nowSql} + ${claimMsMax})`",
      to: ")`",
      breaks: ["R-SEC-30"],
      tests: [sharedRows]
    },
    {
      id: "store-sql-name-free-before-in-force",
      from: "WHERE a.removed_at > 0 AND a.token_count = 0 AND ${nothingPendingSql}`\nconst purgeApplicationsOf",
      to: "WHERE a.removed_at > 0 AND a.token_count = 0`\nconst purgeApplicationsOf",
      breaks: ["P1", "R-TOK-7"]
    },
    {
      id: "store-sql-tenant-purged-with-tokens",
      survives:
        "tokens stand under applications, and neither an application with tokens nor a tenant with applications is purged: a second fence",
      from: "    AND NOT EXISTS (SELECT 1 FROM tokens t WHERE t.tenant_id = a.tenant_id)\n",
      to: "",
      breaks: ["R-TOK-7", "R-BUS-14"]
    },
    {
      id: "store-sql-answers-purged-too-early",
      from: "WHERE created_at < ${Columns.nowSql} - ? ORDER BY",
      to: "WHERE created_at < ${Columns.nowSql} + ? ORDER BY",
      breaks: ["R-BUS-5", "R-ACT-1"]
    }
  ]),
  ...faultsIn(
    "src/store/maria/MariaClientStore.ts",
    { breaks: ["R-CLI-1", "R-CLI-2"], tests: [`${maria}/MariaClientStore.test.ts`] },
    [
      {
        id: "store-sql-login-of-a-removed-tenant",
        from: "ON n.tenant_id = c.tenant_id AND n.removed_at IS NULL",
        to: "ON n.tenant_id = c.tenant_id"
      },
      {
        id: "store-sql-client-of-another-tenant",
        from: "FROM client_credentials WHERE credential_id = ? AND tenant_id = ?`",
        to: "FROM client_credentials WHERE credential_id = ? AND tenant_id <> CONCAT(?, '-')`",
        breaks: ["R-ACC-7"]
      }
    ]
  ),
  ...faultsIn("src/store/CredentialStore.ts", { breaks: ["R-DUR-2"], tests: [`${unit}/CredentialStore.test.ts`] }, [
    {
      id: "store-group-counts-services-where-all-do",
      from: "loads.some((load) => load.countServices)",
      to: "loads.every((load) => load.countServices)"
    }
  ]),
  ...faultsIn(
    "src/store/maria/MariaCredentialStore.ts",
    { breaks: ["R-SEC-9"], tests: [`${maria}/MariaCredentialStore.test.ts`] },
    [
      {
        id: "store-sql-ends-of-one-moment-are-one",
        from: "(due_at > ? OR credential_id > ?)",
        to: "(due_at > ? OR credential_id > ? OR TRUE)",
        breaks: ["R-SEC-30"]
      },
      {
        id: "store-sql-notice-of-the-same-level",
        from: "threshold < (level === noNoticeYet",
        to: "threshold <= (level === noNoticeYet"
      },
      {
        id: "store-sql-history-of-another-tenant",
        from: "WHERE credential_id = ? AND tenant_id = ? AND version <",
        to: "WHERE credential_id = ? AND tenant_id <> CONCAT(?, '-') AND version <",
        breaks: ["R-ACC-7"]
      },
      {
        id: "store-sql-history-hands-out-secrets",
        from: 'versionColumns.replace("sealed", "NULL")',
        to: 'versionColumns.replace("sealed", "sealed")',
        breaks: ["P5"]
      }
    ]
  ),
  ...faultsIn(
    "src/store/maria/MariaKeyRotationStore.ts",
    { breaks: ["P9", "R-SEC-4"], tests: [`${maria}/KeyRotationStore.test.ts`] },
    [
      {
        id: "store-sql-end-of-a-key-at-no-moment",
        from: '${Columns.clampedSql("k.ended_at")} + ${',
        to: "k.ended_at + ${",
        breaks: ["R-SEC-30"],
        tests: [`${maria}/PlantedMany.test.ts`]
      },
      {
        id: "store-sql-page-of-secrets-of-any-length",
        from: "if (bytes >= sealedPageBytesMax) break",
        to: "if (bytes < 0) break",
        breaks: ["P10"]
      },
      {
        id: "store-sql-long-secrets-sent-beyond-the-page",
        from: "IF(LENGTH(sealed) > ${shortRecordBytes}, '', sealed)",
        to: "IF(LENGTH(sealed) > 256 * ${shortRecordBytes}, '', sealed)",
        breaks: ["P10"],
        tests: [plans]
      },
      {
        id: "store-sql-long-secret-of-another-version",
        from: "WHERE credential_id = ? AND version = ? AND key_id = ? AND sealed IS NOT NULL`",
        to: "WHERE credential_id = ? AND version <= ? AND key_id = ? AND sealed IS NOT NULL ORDER BY version LIMIT 1`",
        tests: [`${maria}/maria/LargeRows.test.ts`]
      },
      {
        id: "store-sql-page-of-secrets-begins-with-the-last-row",
        from: "(credential_id = ? AND version > ?)",
        to: "(credential_id = ? AND version >= ?)"
      },
      {
        id: "store-sql-page-of-secrets-skips-versions",
        from: "(credential_id > ? OR (credential_id = ? AND version > ?))",
        to: "(credential_id > ? OR (credential_id < ? AND version > ?))"
      },
      {
        id: "store-sql-page-of-hashes-skips-tokens",
        from: "(tenant_id > ? OR (tenant_id = ? AND token_id > ?))",
        to: "(tenant_id > ? OR (tenant_id < ? AND token_id > ?))"
      },
      {
        id: "store-sql-needed-key-erased",
        from: "AND k.retired_at <= ${Columns.nowSql} - ?\n    AND NOT ${keyRows.neededSql}`",
        to: "AND k.retired_at <= ${Columns.nowSql} - ?`"
      },
      {
        id: "store-sql-rewrapped-meanwhile",
        from: "WHERE key_id = ? AND master_key_id = ? AND wrapped = ?",
        to: "WHERE key_id = ? AND (master_key_id = ? OR wrapped <> ?)"
      },
      {
        id: "store-sql-two-successors",
        from: "if (demoted === 0) return { value: false, wrote: false }",
        to: "if (demoted < 0) return { value: false, wrote: false }",
        breaks: ["R-SEC-12"]
      }
    ]
  ),
  ...faultsIn("src/store/maria/Mariadb.ts", { breaks: ["R-DUR-4", "P2"], tests: [faults] }, [
    { id: "store-maria-commit-is-not-noted", from: "    progress.commitSent = true\n", to: "" },
    {
      id: "store-maria-deadlock-fails",
      from: "isRepeatable(error) && !progress.commitSent && count < repetitionsMax",
      to: "isRepeatable(error) && progress.commitSent && count < repetitionsMax",
      breaks: ["P10", "P2"]
    },
    {
      id: "store-maria-no-rollback",
      from: "(error.fatal ? Effect.void : rollback(connection))",
      to: "(error.fatal ? rollback(connection) : Effect.void)"
    },
    {
      id: "store-maria-no-time-out",
      from: "      duration: settings.operationTimeout,",
      to: '      duration: "1 hour",',
      breaks: ["P10", "R-BUS-10"]
    }
  ]),
  ...faultsIn(
    "src/store/maria/AllWritten.ts",
    { breaks: ["P1", "P2", "R-DUR-2"], tests: [`${unit}/maria/allWritten.test.ts`] },
    [
      {
        id: "store-all-written-unseen",
        from: "if (changed >= rows) return changed",
        to: "if (rows >= 0) return changed"
      }
    ]
  ),
  ...["tokens", "credentials", "clients"].flatMap((what) =>
    faultsIn(
      `src/store/maria/apply/${what}.ts`,
      { breaks: ["P1", "P2", "R-DUR-2"], tests: [`${unit}/maria/allWritten.test.ts`] },
      [
        { id: `store-${what}-perhaps-changed`, from: '.map(updateValues), "each")', to: ".map(updateValues))" },
        { id: `store-${what}-perhaps-deleted`, from: ".then(allOf(chunk.count))", to: "" }
      ]
    )
  ),
  ...faultsIn(
    "src/store/maria/apply/applications.ts",
    { breaks: ["P1", "P2", "R-DUR-2"], tests: [`${unit}/maria/allWritten.test.ts`] },
    [{ id: "store-applications-perhaps-removed", from: '    "each"\n', to: "" }]
  ),
  ...faultsIn(
    "src/store/maria/Writes.ts",
    { breaks: ["P1", "P2", "R-DUR-2"], tests: [`${unit}/maria/allWritten.test.ts`] },
    [{ id: "store-writes-perhaps-all", from: "session.batch(sql, rows, matches)", to: "session.batch(sql, rows)" }]
  ),
  ...faultsIn(
    "src/store/maria/MariadbConnection.ts",
    { breaks: ["P1", "P2", "R-DUR-2"], tests: [`${maria}/maria/OwnAnswers.test.ts`] },
    [{ id: "store-connection-perhaps-all", from: 'matches === "each" ? rows.length : 0', to: "0" }]
  ),
  ...faultsIn(
    "src/store/maria/MariadbConnection.ts",
    { breaks: ["R-BUS-10"], tests: [`${maria}/maria/KeptStatements.test.ts`] },
    [
      {
        id: "store-connection-keeps-every-statement",
        from: "if (kept.size < keptMax) kept.set",
        to: "if (kept.size < keptMax * keptMax) kept.set"
      },
      {
        id: "store-connection-counts-what-the-connector-keeps",
        from: "preparedMax = cachedMax + Math.max(keptMax, Flights.keptMax)",
        to: "preparedMax = cachedMax"
      },
      {
        id: "store-connection-counts-each-statement-twice",
        from: "preparedMax = cachedMax + Math.max(keptMax, Flights.keptMax)",
        to: "preparedMax = 2 * cachedMax + Flights.keptMax"
      }
    ]
  ),
  ...faultsIn("src/store/maria/MariadbConnection.ts", { breaks: ["P2"], tests: [guards, faults] }, [
    {
      id: "store-maria-snapshot-of-the-first-read",
      from: "ISOLATION LEVEL READ COMMITTED",
      to: "ISOLATION LEVEL REPEATABLE READ"
    },
    {
      id: "store-maria-cuts-what-is-too-long",
      from: "sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO'",
      to: "sql_mode = 'NO_ENGINE_SUBSTITUTION'",
      breaks: ["R-INP-4"]
    },
    {
      id: "store-maria-several-statements",
      from: "multipleStatements: false",
      to: "multipleStatements: true",
      breaks: ["P6"]
    },
    {
      id: "store-maria-reads-local-files",
      from: "permitLocalInfile: false",
      to: "permitLocalInfile: true",
      breaks: ["P6"]
    },
    {
      id: "store-maria-matched-is-changed",
      from: "foundRows: true",
      to: "foundRows: false",
      breaks: ["R-DUR-3"],
      tests: [guards, `${maria}/Sweeps.test.ts`, `${maria}/TenantStore.test.ts`]
    }
  ]),
  ...faultsIn(
    "src/store/StartWait.ts",
    { breaks: ["R-RUN-1"], tests: ["test/unit/store/StartWait.test.ts", "test/integration/service/starting.test.ts"] },
    [
      {
        id: "store-start-pauses-as-usual",
        from: "yield* Effect.sleep(pause)",
        to: "yield* Effect.sleep(attemptAgain)"
      },
      {
        id: "store-start-asks-once",
        from: "if (why === null) return",
        to: "if (why !== undefined) return"
      },
      {
        id: "store-start-waits-for-what-is-refused",
        from: "error.isPassing === true ?",
        to: "error.isPassing !== undefined ?"
      },
      {
        id: "store-start-waits-for-ever",
        from: "if (now - begun >= Duration.toMillis(limit)) return",
        to: "if (now - begun < 0 * Duration.toMillis(limit)) return"
      }
    ]
  ),
  ...faultsIn("src/store/maria/Migrations.ts", { breaks: ["R-RUN-1"], tests: [`${maria}/maria/Migrations.test.ts`] }, [
    {
      id: "store-migrations-keep-a-table-from-all",
      from: "const tableWaitSeconds = 1\n",
      to: "const tableWaitSeconds = 86_400\n",
      breaks: ["P10", "R-RUN-1"]
    },
    {
      id: "store-migrations-try-a-table-once",
      from: 'error._tag === "DatabaseFailure" && isRepeatable(error) ?',
      to: 'error._tag === "DatabaseFailure" && error.errno === 0 ?'
    },
    {
      id: "store-migrations-never-give-a-table-up",
      from: "    what,\n    limit,\n    pause:",
      to: "    what,\n    limit: Duration.infinity,\n    pause:"
    },
    {
      id: "store-migrations-warn-not-of-prepared-statements",
      from: "if (prepared > Columns.whole(row, 3)) {",
      to: "if (prepared > 2 * Columns.whole(row, 3)) {"
    },
    {
      id: "store-migrations-without-lock",
      from: "attempt(() => takeLock(connection, Math.ceil(Duration.toSeconds(settings.migrationWait)))),\n",
      to: "attempt(async () => (known.length === 0 ? takeLock(connection, 1) : undefined)),\n"
    },
    {
      id: "store-migrations-recorded-first",
      from: "limit, () => connection.command(sql))\n    yield* oneStep(`the record of schema step ${number} (${name})`, limit, () =>\n      connection.run(recordSql, [number, name])\n    )\n",
      to: "limit, () => connection.run(recordSql, [number, name]))\n    yield* oneStep(`the record of schema step ${number} (${name})`, limit, () =>\n      connection.command(sql)\n    )\n"
    },
    {
      id: "store-migrations-record-a-step-once",
      from: "    yield* oneStep(`the record of schema step ${number} (${name})`, limit, () =>\n      connection.run(recordSql, [number, name])\n    )\n",
      to: "    yield* attempt(() => connection.run(recordSql, [number, name]))\n",
      breaks: ["P10", "R-RUN-1"]
    },
    {
      id: "store-migrations-newer-schema",
      from: "names.get(number) !== name)",
      to: "(names.get(number) ?? name) !== name)",
      breaks: ["R-RUN-1", "R-RUN-17"]
    },
    {
      id: "store-migrations-names-one-newer-step",
      from: "migratedByNewer(newer)",
      to: "migratedByNewer(newer.slice(0, 1))",
      breaks: ["R-RUN-17"]
    },
    {
      id: "store-migrations-forward-untold",
      from: "if (applied.size > 0 && missing.length > 0) {",
      to: "if (applied.size > missing.length + 1_000) {",
      breaks: ["R-RUN-17"]
    },
    {
      id: "store-migrations-asks-for-the-server-once",
      from: 'error._tag === "DatabaseFailure" && isUnreachable(error) ? error.code : null',
      to: 'error._tag === "DatabaseFailure" && isUnreachable(error) && settings === undefined ? error.code : null'
    },
    {
      id: "store-migrations-waits-for-a-server-that-refuses",
      from: 'error._tag === "DatabaseFailure" && isUnreachable(error) ? error.code : null',
      to: 'error._tag === "DatabaseFailure" ? error.code : null'
    },
    {
      id: "store-migrations-opening-cannot-be-stopped",
      from: "    { interruptible: true }\n",
      to: "    { interruptible: false }\n",
      tests: ["test/integration/service/starting.test.ts"]
    },
    {
      id: "store-migrations-small-packets",
      survives:
        "the tests' servers all take large packets, and one that does not is a server of its own: what a person sees then is the line that the start ends with",
      from: "if (Columns.whole(row, 1) < packetMaxBytes) {",
      to: "if (Columns.whole(row, 1) < 0 * packetMaxBytes) {"
    }
  ]),
  ...faultsIn("src/store/maria/Bulkhead.ts", { breaks: ["R-ACT-4"], tests: [`${unit}/maria/Bulkhead.test.ts`] }, [
    {
      id: "store-bulkhead-share-anew-while-in-use",
      from: "if (share.users === 0) shares.delete(tenantId)",
      to: "shares.delete(tenantId)"
    },
    { id: "store-bulkhead-one-tenant-takes-all", from: "const part = 1 / 3", to: "const part = 1" }
  ]),
  ...faultsIn("src/store/maria/Lookups.ts", { breaks: ["R-BUS-10", "P10"], tests: [`${unit}/maria/Lookups.test.ts`] }, [
    {
      id: "store-lookups-unsure-connection-is-used-again",
      from: "giveBack(!failure.fatal)",
      to: "giveBack(failure.fatal || !failure.fatal)"
    },
    {
      id: "store-lookups-late-connection-is-used-again",
      from: "    asked.stop?.()\n",
      to: ""
    },
    {
      id: "store-lookups-place-is-not-given-back",
      from: "    underWay--\n    answer()",
      to: "    if (waiting.size > 0) underWay--\n    answer()"
    },
    {
      id: "store-lookups-waiting-one-leaves-a-place-it-has-not",
      survives: "all have the same time, so whoever is overdue has begun: those before it were over; a second fence",
      from: "if (waiting.delete(asked)) underWay++",
      to: "waiting.delete(asked)"
    },
    {
      id: "store-lookups-as-many-as-are-asked",
      from: "if (underWay < size) begin(asked)",
      to: "if (underWay < waitersMax) begin(asked)",
      breaks: ["P6"]
    },
    {
      id: "store-lookups-without-an-end",
      from: "isClosed || waiting.size >= waitersMax",
      to: "isClosed || waiting.size < 0",
      breaks: ["P6"]
    }
  ]),
  ...faultsIn(
    "src/store/maria/ConnectionPool.ts",
    { breaks: ["R-REF-23"], tests: ["test/integration/store/maria/ConnectionModes.test.ts"] },
    [
      {
        id: "store-pool-connection-of-the-other-mode",
        from: "connection.mode() === wanted",
        to: "connection.mode() !== wanted"
      },
      {
        id: "store-pool-kept-for-one-clean-reason",
        breaks: ["P3", "R-DUR-6"],
        from: "return exit.cause.reasons.every(",
        to: "return exit.cause.reasons.some("
      },
      {
        id: "store-pool-kept-after-a-fatal-failure",
        breaks: ["P3", "R-DUR-6"],
        from: "!(reason.error instanceof DatabaseFailure && reason.error.fatal)",
        to: "reason.error !== undefined"
      }
    ]
  ),
  ...faultsIn(
    "src/store/RefreshStore.ts",
    { breaks: ["P7", "R-REF-27"], tests: [`${unit}/MemoryRefreshStore.test.ts`] },
    [
      {
        id: "refresh-answer-gives-way-to-what-stands-there",
        from: 'there.state === "answer" ||',
        to: "there.state !== null ||"
      },
      {
        id: "refresh-answer-takes-the-place-of-what-came-of-it",
        from: "(refresh !== undefined && heldVersions(refresh.holding).has(version)) ||",
        to: ""
      }
    ]
  ),
  ...faultsIn(
    "src/store/maria/MariaRefreshStore.ts",
    { breaks: ["P7", "R-REF-27"], tests: [`${maria}/MariaRefreshStore.test.ts`] },
    [
      {
        id: "store-answer-not-tried-again-after-a-lost-race",
        tests: ["test/unit/store/maria/lostRaces.test.ts"],
        from: "return put > 0 || putAnswer(session, tenantId, answer)",
        to: "return put > 0"
      },
      {
        id: "store-answer-kept-out-by-an-unknown-state",
        tests: [`${maria}/maria/LargeRows.test.ts`],
        from: "const state = versionStates[stateNumber]",
        to: "const state = Columns.literal(row, 0, versionStates)"
      },
      {
        id: "store-answer-kept-out-by-a-row-that-cannot-be-read",
        tests: [`${maria}/maria/LargeRows.test.ts`],
        from: "  } catch {\n    return undefined\n",
        to: "  } catch (error) {\n    throw error\n"
      },
      {
        id: "store-answer-kept-out-by-a-row-of-another-shape",
        tests: [`${maria}/maria/LargeRows.test.ts`],
        from: "    heldVersions(refresh.holding)\n",
        to: ""
      },
      {
        id: "store-standing-hidden-by-an-unknown-state",
        tests: [`${maria}/maria/LargeRows.test.ts`],
        from: "versionRows.filter(hasKnownState).map",
        to: "versionRows.map"
      },
      {
        id: "store-sql-standing-has-any-number-of-versions",
        tests: [`${maria}/maria/LargeRows.test.ts`],
        from: "ORDER BY version DESC LIMIT ${versionsMax}`",
        to: "ORDER BY version DESC`"
      },
      {
        id: "store-sql-versions-of-any-length",
        file: "src/store/maria/CredentialRow.ts",
        tests: [`${maria}/maria/LargeRows.test.ts`],
        from: "> ${sealedBytesMax}, ''",
        to: "> 8 * ${sealedBytesMax}, ''"
      },
      {
        id: "store-answer-gives-way-to-what-stands-there",
        from: "if (state !== undefined && isKeptAt({ state, sealed }, answer, refresh)) return true",
        to: "if (isKeptAt({ state, sealed }, answer, refresh) || refresh !== undefined) return true"
      }
    ]
  ),
  ...faultsIn(
    "src/store/maria/ProviderCircuits.ts",
    { breaks: ["R-REF-15"], tests: [`${maria}/MariaRefreshStore.test.ts`] },
    [
      {
        id: "store-turns-open-circuit-says-until-when",
        tests: ["test/unit/store/maria/lostRaces.test.ts"],
        from: "retryAfterMs: Math.max(1, until - now)",
        to: "retryAfterMs: Math.max(1, until)"
      },
      {
        id: "store-turns-open-circuit-is-passed",
        from: "for (const row of passes ? [] : circuits) {",
        to: "for (const row of passes ? circuits : []) {"
      },
      {
        id: "store-turns-made-longer-with-what-others-try",
        from: 'SET probe_until = ? WHERE circuit = ? AND probe_until = ?"\nconst endProbeSql',
        to: 'SET probe_until = ? WHERE circuit = ? AND probe_until <> ?"\nconst endProbeSql'
      },
      {
        id: "store-turns-closed-for-less-than-was-asked-for",
        from: "SET closed_until = GREATEST(closed_until, ${Columns.momentSql} + ?)",
        to: "SET closed_until = ${Columns.momentSql} + ?",
        breaks: ["R-REF-14"]
      },
      {
        id: "store-turns-tried-for-less-than-was-asked-for",
        file: "src/store/maria/ProviderTurns.ts",
        from: "SET closed_until = GREATEST(closed_until, ?)",
        to: "SET closed_until = ?",
        breaks: ["R-REF-14"]
      },
      {
        id: "store-turns-forgotten-circuit-keeps-its-queues",
        from: '  await session.run(openSql("provider"), [provider])\n',
        to: ""
      },
      {
        id: "store-turns-closed-circuit-keeps-its-queues",
        from: '  await session.run(openSql(of === "provider" ? "circuit" : "lane"), [key])\n',
        to: ""
      }
    ]
  ),
  ...faultsIn(
    "src/store/maria/ProviderTurns.ts",
    { breaks: ["R-REF-13"], tests: [`${maria}/MariaRefreshStore.test.ts`] },
    [
      {
        id: "store-turns-kept-though-over",
        from: "WHERE turn_id = ? AND lane = ? AND held_until > ${Columns.momentSql}`",
        to: "WHERE turn_id = ? AND lane = ? AND taken_at <= ${Columns.momentSql}`",
        breaks: ["R-REF-13"]
      },
      {
        id: "store-turns-made-longer-without-what-they-try",
        from: "if (before !== undefined && after !== undefined) {",
        to: "if (before === undefined && after !== undefined) {",
        breaks: ["R-REF-15"]
      },
      {
        id: "store-turns-ended-well-whatever-was-counted",
        from: "return counted.length === 0",
        to: "return counted.length >= 0",
        breaks: ["R-REF-15"]
      },
      {
        id: "store-turns-of-long-ago-deleted-each-time",
        from: "(last + 1) % oldTurnsEvery === 0",
        to: "(last + 1) % oldTurnsEvery >= 0",
        tests: [`${unit}/maria/ProviderTurns.test.ts`]
      },
      {
        id: "store-turns-of-long-ago-never-deleted",
        from: "(last + 1) % oldTurnsEvery === 0",
        to: "(last + 1) % oldTurnsEvery < 0",
        tests: [`${unit}/maria/ProviderTurns.test.ts`]
      },
      {
        id: "store-turns-one-more-than-the-rate",
        from: "lane_turn = ${lastSql} + 1 - ?",
        to: "lane_turn = ${lastSql} - ?"
      },
      {
        id: "store-turns-counted-beside-each-other",
        from: "FROM provider_lanes WHERE lane = ? FOR UPDATE",
        to: "FROM provider_lanes WHERE lane = ?"
      },
      {
        id: "store-turns-of-the-release-before-not-counted",
        from: "unnumbered > 0 ||",
        to: "unnumbered < 0 ||",
        tests: [`${maria}/maria/ProviderTurns.test.ts`]
      },
      {
        id: "store-turns-number-of-nobody-is-believed",
        from: "GREATEST(LEAST(MAX(lane_turn), ${turnNumberMax}), 0)",
        to: "MAX(lane_turn)",
        tests: [`${maria}/maria/ProviderTurns.test.ts`]
      },
      {
        id: "store-turns-numbered-beyond-every-lane",
        from: "isNumbered ? last + 1 : null",
        to: "last + 1",
        tests: [`${maria}/maria/ProviderTurns.test.ts`]
      },
      {
        id: "store-turns-moment-of-nobody-is-waited-for",
        from: " AND taken_at <= ${Columns.nowSql} + ${rateWindowMs}`",
        to: "`",
        tests: [`${maria}/maria/ProviderTurns.test.ts`]
      },
      {
        id: "store-turns-held-for-ever",
        from: " AND held_until <= ${Columns.nowSql} + ${heldMsMax}",
        to: "",
        tests: [`${maria}/maria/ProviderTurns.test.ts`]
      },
      {
        id: "store-turns-cost-as-many-as-there-were",
        from: "WHERE held_lane = ? AND held_until >",
        to: "WHERE lane = ? AND held_until >",
        tests: [`${maria}/maria/ProviderTurns.test.ts`]
      },
      {
        id: "store-turns-half-open-lets-all-try",
        from: ", ...Circuits.tries(session, circuits, heldUntil)]",
        to: "]",
        breaks: ["R-REF-15"]
      },
      {
        id: "store-turns-none-gives-no-try-back",
        from: "if (held !== undefined) await Circuits.endProbe(session, route, Columns.whole(held, 0))",
        to: "if (held === undefined) await Circuits.endProbe(session, route, 0)",
        breaks: ["R-REF-15"]
      }
    ]
  ),

  // ---- migrations: what the database itself refuses
  ...(
    [
      [
        "0009_data_keys",
        "  UNIQUE KEY uq_data_keys_active",
        "  KEY uq_data_keys_active",
        "store-schema-two-active-keys",
        ["P9", "R-SEC-12"]
      ],
      [
        "0100_credentials",
        "  UNIQUE KEY uq_credentials_active",
        "  KEY uq_credentials_active",
        "store-schema-two-active-credentials",
        ["R-SEC-6"]
      ],
      [
        "0400_client_credentials",
        "  UNIQUE KEY uq_client_credentials_name",
        "  KEY uq_client_credentials_name",
        "store-schema-two-of-one-name",
        ["R-CLI-4"]
      ],
      [
        "0371_tenants_by_issuer",
        "ADD UNIQUE KEY IF NOT EXISTS uq_tenants_issuer",
        "ADD KEY IF NOT EXISTS uq_tenants_issuer",
        "store-schema-two-tenants-of-an-issuer",
        ["R-ACC-8"]
      ],
      [
        "0015_tokens_by_hash",
        "ADD UNIQUE KEY IF NOT EXISTS uq_tokens_id",
        "ADD KEY IF NOT EXISTS uq_tokens_id",
        "store-schema-token-id-twice",
        ["P2"]
      ],
      [
        "0008_audit",
        "PRIMARY KEY (tenant_id, seq)",
        "KEY (tenant_id, seq)",
        "store-schema-audit-row-twice",
        ["P8", "R-SEC-7"]
      ],
      [
        "0007_idempotency",
        "PRIMARY KEY (tenant_id, key_hash)",
        "KEY (tenant_id, key_hash)",
        "store-schema-answer-twice",
        ["R-BUS-5"]
      ],
      [
        "0006_pending_revocations",
        "PRIMARY KEY (tenant_id, seq)",
        "KEY (tenant_id, seq)",
        "store-schema-revocation-twice",
        ["P1"]
      ]
    ] as const
  ).map(
    ([file, from, to, id, breaks]): Mutant => ({
      id,
      file: `src/store/maria/migrations/${file}.sql`,
      from,
      to,
      breaks,
      tests: [guards]
    })
  ),

  // ---- migrations: what the release before goes on with
  {
    id: "store-schema-column-that-the-release-before-does-not-write",
    file: "src/store/maria/migrations/0520_credentials_former_refresh.sql",
    from: "former_refresh MEDIUMTEXT NULL",
    to: "former_refresh MEDIUMTEXT NOT NULL",
    breaks: ["R-RUN-17"],
    tests: ["test/unit/store/maria/schemaSteps.test.ts#takes nothing from a replica"]
  },
  {
    id: "store-schema-step-that-runs-once",
    file: "src/store/maria/migrations/0521_provider_turns_numbered.sql",
    from: "ADD COLUMN IF NOT EXISTS lane_turn",
    to: "ADD COLUMN lane_turn",
    breaks: ["R-RUN-17"],
    tests: [`${maria}/maria/Migrations.test.ts#are run again`]
  }
]
