/** Faults in what only the service as a whole promises: its tests run processes on a bus, a database, and files as they are shipped. */
import { faultsIn, type Mutant } from "./Mutant.ts"

const whole = "test/integration"
const platform = `${whole}/service/platform.test.ts`
const inbox = `${whole}/service/inbox.test.ts`
const micro = `${whole}/protocols/micro.test.ts`
const attack = `${whole}/bus/attack.test.ts`
const tenantAccounts = `${whole}/bus/tenantAccounts.test.ts`
const exported = `${whole}/service/audit.test.ts#takes an export, which goes on where it was cut off`
const offline = "test/unit/auditVerify.test.ts"
const restored = `${whole}/service/restore.test.ts`
const compose = `${whole}/bus/composeTls.test.ts`
const gateway = `${whole}/gateway`
const tracing = "test/unit/observability/tracing.test.ts"
const house = "test/architecture.test.ts"
const cluster = `${whole}/cluster.test.ts`
const beside = `${whole}/refresh/beside.test.ts`
const fair = "test/unit/store/FairPick.test.ts"
const mariadbUser = `${whole}/rotators/mariadbUser.test.ts`
const signing = "test/unit/rotation/Exchange.test.ts"
const readyFile = "test/unit/launch/ReadyFile.test.ts"
const kubernetes = "test/unit/kubernetes.test.ts#what is shipped"
const rotators = "test/unit/rotation/rotators.test.ts"

/** On the bus: who may say what, and what is heard. */
const bus: ReadonlyArray<Mutant> = [
  ...faultsIn("src/nats/StreamPlan.ts", { breaks: ["R-BUS-16"], tests: [`${attack}#platform has no answer`] }, [
    {
      id: "nats-plan-inbox-answers-who-publishes",
      from: "  no_ack: true,\n",
      to: "  no_ack: false,\n"
    }
  ]),
  ...faultsIn("nats.conf", { breaks: ["R-BUS-16"], tests: [attack] }, [
    {
      id: "conf-platform-may-not-say-what-it-imports",
      from: '"kaa.v1.service.cm.scmp.configuration.upsert"\n              "kaa.v1.service.cm.scmp.configuration.delete"\n',
      to: '"kaa.v1.service.cm.scmp.configuration.upsert"\n',
      tests: [`${attack}#platform has no answer put onto a subject of CM`]
    },
    {
      id: "conf-front-ends-may-be-leaf-nodes",
      from: '        password: $CM_BUS_COMMS\n        allowed_connection_types: ["STANDARD"]\n',
      to: "        password: $CM_BUS_COMMS\n",
      tests: [`${attack}#users of CM come in as plain clients only`]
    },
    {
      id: "conf-jetstream-answers-any-number-of-words",
      from: '{ service: "$JS.API.DIRECT.GET.KV_CM_TOKENS.$KV.CM_TOKENS.*.*", accounts',
      to: '{ service: "$JS.API.DIRECT.GET.KV_CM_TOKENS.>", accounts',
      tests: [`${whole}/bus/routes.test.ts#nothing that JetStream answers is exported`]
    }
  ]),
  ...faultsIn("ops/tenant-accounts.conf", { breaks: ["R-BUS-17"], tests: [tenantAccounts] }, [
    {
      id: "conf-tenant-door-for-any-account",
      from: '{ service: "tenant.*.token.>", account_token_position: 2, response_threshold: "160s" }',
      to: '{ service: "tenant.*.token.>", response_threshold: "160s" }'
    },
    {
      id: "conf-tenant-user-is-not-told",
      from: 'subject: "tenant.acme.token.>" }, to: "cm.v1.acme.token.>", share: true }',
      to: 'subject: "tenant.acme.token.>" }, to: "cm.v1.acme.token.>" }'
    }
  ]),
  ...faultsIn("src/protocols/BusAccess.ts", { breaks: ["R-BUS-18"], tests: [`${whole}/bus/access.test.ts`] }, [
    {
      id: "protocols-consumers-second-user-is-another",
      from: "(user.startsWith(consumer) && /^[-._@]/u.test(",
      to: "(user.startsWith(consumer) && /^[._@]/u.test(",
      tests: [`${whole}/bus/access.test.ts#a service that must not pause has two users in turn`]
    }
  ]),
  ...faultsIn("src/nats/NatsConnection.ts", { breaks: ["R-BUS-18"], tests: [`${whole}/bus/access.test.ts`] }, [
    {
      id: "nats-connection-seed-without-a-line-end",
      from: "/^\\s*(SU[A-Z2-7]{56})\\s*$/u",
      to: "/^(SU[A-Z2-7]{56})$/u",
      tests: [`${whole}/bus/access.test.ts#the service's own bus user and its database password change`]
    }
  ]),
  ...faultsIn("src/coherence/NatsCoherence.ts", { breaks: ["R-BUS-2"], tests: [] }, [
    {
      id: "coherence-unreadable-message-is-handled",
      from: "if (message === null) refuseUnsafe()\n              else if (message.from !== process) handle(message)",
      to: "if (message?.from !== process) handle(message as A)",
      tests: [`${whole}/service/hostile.test.ts`]
    },
    {
      id: "coherence-first-of-a-message-is-passed-over",
      from: "for (const revocation of revocations) applier.applyUnsafe(revocation)",
      to: "for (const revocation of revocations.slice(1)) applier.applyUnsafe(revocation)",
      breaks: ["P1", "R-REV-3"],
      tests: ["test/chaos/chaos.test.ts#two replicas on one bus server"]
    }
  ]),
  ...faultsIn("src/protocols/Micro.ts", { breaks: ["R-BUS-7"], tests: [micro] }, [
    {
      id: "protocols-micro-average-of-nothing",
      from: "requests === 0 ? 0 : Math.round(nanoseconds / requests)",
      to: "Math.round(nanoseconds / requests)"
    },
    {
      id: "protocols-micro-no-answer-by-id",
      from: '["", `.${serviceName}`, `.${serviceName}.${id}`]',
      to: '["", `.${serviceName}`, `.${id}`]'
    }
  ]),
  ...faultsIn(
    "src/protocols/BearerAccess.ts",
    { breaks: ["R-ACC-10"], tests: [`${whole}/access/switches.test.ts#verifies a token that is sent`] },
    [
      {
        id: "protocols-bearer-trusted-bus-needs-no-look",
        from: "        : authorization === null\n          ? byBus(row, request)",
        to: '        : authorization === null || config.busTrust === "always"\n          ? byBus(row, request)'
      }
    ]
  ),
  ...faultsIn(
    "src/access/Decision.ts",
    { breaks: ["R-ACC-10"], tests: [`${whole}/access/switches.test.ts#and leaves validation`] },
    [
      {
        id: "access-decision-no-trust-for-consumers",
        from: 'if (asked.row?.on === "nothing" || asked.namesConsumer) return false',
        to: 'if (asked.row?.on === "nothing" || (asked.namesConsumer && asked.busTrust !== "never")) return false'
      }
    ]
  )
]

/** In the database and beside it: tokens, the inbox, the platform, the audit's export, a backup. */
const stored: ReadonlyArray<Mutant> = [
  ...faultsIn(
    "src/actors/tokens/commands/transition.ts",
    { breaks: ["R-TOK-11"], tests: ["test/unit/actors/tokens/tokenCommands.test.ts"] },
    [
      {
        id: "tokens-transition-reason-is-what-ended-it",
        from: "          reason: isUsable(decision.to) ? null : reason\n",
        to: '          reason: isUsable(decision.to) ? null : reason,\n          endedBy: reason === "expired" || reason === "rotated" ? reason : token.endedBy\n'
      }
    ]
  ),
  ...faultsIn(
    "src/actors/tokens/commands/endings.ts",
    { breaks: ["R-TOK-11"], tests: ["test/unit/actors/tokens/tokenCommands.test.ts"] },
    [
      {
        id: "tokens-end-by-the-reason-that-stands-there",
        from: 'endingOf(token) === "rotated" ? "rotated"',
        to: 'endingOf(token) === "rotated" || token.reason === "rotated" ? "rotated"'
      }
    ]
  ),
  ...faultsIn(
    "src/store/maria/TokenPages.ts",
    { breaks: ["R-TOK-13"], tests: [`${whole}/store/maria/TokenPages.test.ts`] },
    [
      {
        id: "store-pages-never-used-is-in-use",
        from: "COALESCE(last_used_at, created_at) < ?",
        to: "last_used_at < ?"
      },
      {
        id: "store-pages-what-has-ended-is-about-to",
        from: "`due_at < ? AND due_at > ${Columns.nowSql}`",
        to: '"due_at < ?"'
      },
      {
        id: "store-pages-look-at-any-number-of-rows",
        from: "LIMIT 1 OFFSET ${scanMax - 1}",
        to: "LIMIT 1 OFFSET ${100 * scanMax}"
      }
    ]
  ),
  ...faultsIn(
    "src/store/maria/Flights.ts",
    { breaks: ["P2", "R-DUR-1"], tests: [`${whole}/service/durability.test.ts#nothing of it is there`] },
    [
      {
        id: "store-flights-each-statement-by-itself",
        from: 'await changeMode(transaction === null ? "each" : "together")',
        to: 'await changeMode("each")'
      }
    ]
  ),
  ...faultsIn("src/protocols/EventInbox.ts", { breaks: ["R-PLT-8"], tests: [inbox] }, [
    {
      id: "protocols-inbox-database-is-never-away",
      from: 'error._tag === "Unavailable" || error._tag === "TooManyRequests"',
      to: 'error._tag === "TooManyRequests"',
      tests: [`${inbox}#while MariaDB is down lose their tokens when it is back`]
    },
    {
      id: "protocols-inbox-done-before-it-is",
      from: "return carryOut(kind, message, prepared).pipe(",
      to: "return Effect.andThen(done(message), carryOut(kind, message, prepared)).pipe(",
      tests: [`${inbox}#while MariaDB is down and the replicas are killed`]
    }
  ]),
  ...faultsIn(
    "src/protocols/TenantOperations.ts",
    { breaks: ["R-PLT-10"], tests: [`${platform}#tenants and applications are those of`] },
    [
      {
        id: "protocols-tenant-of-another-is-removed-here",
        from: '      yield* notManagedElsewhere("tenants")\n      return yield* tenants.removeTenant',
        to: "      return yield* tenants.removeTenant"
      }
    ]
  ),
  ...faultsIn(
    "src/protocols/ApplicationOperations.ts",
    { breaks: ["R-PLT-10"], tests: [`${platform}#tenants and applications are those of`] },
    [
      {
        id: "protocols-application-of-another-is-registered-here",
        from: "      yield* unmanaged(tenantId)\n      const { application, created }",
        to: "      const { application, created }"
      }
    ]
  ),
  ...faultsIn(
    "src/protocols/Scmp.ts",
    { breaks: ["R-PLT-12"], tests: [`${platform}#of a burst of deletions and upserts the last one counts`] },
    [
      {
        id: "protocols-scmp-upserts-overtake-deletions",
        from: "keyOf: ({ appName, tenantID }) => JSON.stringify([tenantID, appName])",
        to: "keyOf: ({ appName, tenantID, type }) => JSON.stringify([tenantID, appName, type])"
      }
    ]
  ),
  ...faultsIn(
    "src/actors/platform/LivePlatform.ts",
    { breaks: ["R-PLT-13"], tests: [`${platform}#the inbox is kept up with, and a gap is told`] },
    [
      {
        id: "platform-gap-is-not-announced",
        from: "        yield* actors.ask(globalTenantId, announceInboxGap(",
        to: "        if (since < 0) yield* actors.ask(globalTenantId, announceInboxGap("
      },
      {
        id: "platform-away-at-the-start-is-not-read-again",
        from: "if (!first) yield* Effect.forkScoped(Effect.exit(Effect.retry(reading, pauses)))",
        to: "if (!first) yield* Effect.forkScoped(Effect.exit(reading))",
        breaks: ["R-PLT-10"],
        tests: [platform]
      }
    ]
  ),
  ...faultsIn(
    "src/actors/tenant/Platform.ts",
    { breaks: ["R-PLT-13"], tests: [`${platform}#the inbox is kept up with, and a gap is told`] },
    [
      {
        id: "platform-nothing-is-lost-where-nothing-waits",
        from: 'return now - before.seenAt > ageMs ? "too_old" : null',
        to: 'return stand.waiting > 0 && now - before.seenAt > ageMs ? "too_old" : null'
      }
    ]
  ),
  ...faultsIn("scripts/audit-export.mjs", { breaks: ["P8", "R-AUD-7"], tests: [exported] }, [
    {
      id: "scripts-export-goes-on-behind-its-first-row",
      from: "for (const line of lines.toReversed()) {",
      to: "for (const line of lines) {"
    },
    {
      id: "scripts-export-begins-with-its-last-row",
      from: "const from = last + 1",
      to: "const from = last"
    },
    {
      id: "scripts-export-not-whole-ends-well",
      from: "process.exit(isWhole ? 0 : 1)",
      to: "process.exit(0)",
      tests: ["test/integration/auditExport.test.ts"]
    },
    {
      id: "scripts-export-not-whole-is-signed",
      from: "if (isWhole) appendFileSync(",
      to: "if (last > 0) appendFileSync(",
      tests: ["test/integration/auditExport.test.ts"]
    },
    {
      id: "scripts-export-unanswered-ends-well",
      from: "stop(`${what}: ${error.message}\\n`)",
      to: "process.exit(0)",
      tests: ["test/integration/auditExport.test.ts"]
    }
  ]),
  ...faultsIn("scripts/audit-verify.mjs", { breaks: ["P8", "R-AUD-7"], tests: [exported] }, [
    {
      id: "scripts-verify-accepted-is-not-broken",
      from: "process.exit(verdict.valid ? 0 : 1)",
      to: "process.exit(verdict.valid || accepted.length > 0 ? 0 : 1)",
      breaks: ["P8", "R-AUD-10"],
      tests: [offline]
    },
    {
      id: "scripts-verify-accepted-unsigned",
      from: "(point) => publicKeyText === undefined || isPoint(point)",
      to: "() => true",
      breaks: ["P8", "R-AUD-10"],
      tests: [offline]
    },
    {
      id: "scripts-verify-anybodys-signature",
      from: '    if (!isPoint(point)) return { signed, broken: { seq, reason: "the signed checkpoint is not good" } }\n',
      to: ""
    },
    {
      id: "scripts-verify-cut-of-another-tenant",
      from: "cutAnswers.filter((stub) => stub.tenant_id === tenant)",
      to: "cutAnswers",
      tests: [offline]
    },
    {
      id: "scripts-verify-checkpoint-of-another-tenant",
      from: "of === tenant && signature !== undefined",
      to: "of !== undefined && signature !== undefined",
      tests: [offline]
    },
    {
      id: "scripts-verify-checkpoints-differ",
      from: "if ((signed.get(previousSeq) ?? previousHash) !== previousHash) {",
      to: "if (previousSeq > seq) {",
      tests: [offline]
    },
    {
      id: "scripts-verify-counts-what-it-has-not",
      from: "  checked += 1\n",
      to: "  checked = row.seq\n",
      tests: [offline]
    },
    {
      id: "scripts-verify-nothing-lacks-nothing",
      from: "if (firstBroken === null && lastSigned > place.seq)",
      to: "if (firstBroken === null && rows.length > 0 && lastSigned > place.seq)",
      tests: [offline]
    },
    {
      id: "scripts-verify-repairs-untold",
      from: "  repaired.push(row.seq)\n",
      to: "",
      tests: [offline]
    },
    {
      id: "scripts-verify-repairs-whole-characters",
      from: 'units[at] !== "\\ufffd" || !(unit >= 0xd800 && unit <= 0xdfff)',
      to: 'units[at] !== "\\ufffd"',
      tests: [offline]
    }
  ]),
  ...faultsIn("scripts/restore.mjs", { breaks: ["R-REC-2"], tests: [restored] }, [
    {
      id: "scripts-restore-into-what-is-there",
      from: 'if (tables !== "0") throw',
      to: 'if (tables === "") throw',
      tests: [`${restored}#put back into an empty database`]
    },
    {
      id: "scripts-restore-changed-files",
      from: "if ((await sha256(join(folder, name))) !== hash) throw",
      to: "if (!existsSync(join(folder, name)) || hash === null) throw"
    },
    {
      id: "scripts-restore-beside-another-key-file",
      from: 'if (hasKeys && hasOwn && (await sha256(keyFile)) !== files["keys.json"]) {',
      to: "if (hasKeys && !hasOwn && keyFile === undefined) {"
    },
    {
      id: "scripts-restore-of-another-version",
      from: "if (version !== 1 || ",
      to: "if (",
      tests: [`${restored}#write over no backup`]
    },
    {
      id: "scripts-restore-keys-for-everybody",
      from: "    chmodSync(keyFile, 0o600)\n",
      to: "",
      breaks: ["P5"],
      tests: [`${restored}#write over no backup`]
    },
    {
      id: "scripts-restore-with-a-gap-unasked",
      from: 'values["accept-gap"] === true)',
      to: 'values["accept-gap"] !== false)',
      breaks: ["R-REC-1"],
      tests: [`${restored}#write over no backup`]
    }
  ]),
  ...faultsIn("scripts/backup.mjs", { breaks: ["R-REC-2"], tests: [`${restored}#write over no backup`] }, [
    {
      id: "scripts-backup-over-a-dump",
      tests: ["test/unit/backup.test.ts"],
      from: 'openSync(join(folder, "database.sql"), "wx", 0o600)',
      to: 'openSync(join(folder, "database.sql"), "w", 0o600)'
    },
    {
      id: "scripts-backup-of-many-moments",
      file: "scripts/lib/databaseTools.mjs",
      tests: ["test/unit/backup.test.ts"],
      from: '"--single-transaction", ',
      to: ""
    },
    {
      id: "scripts-backup-from-any-server",
      file: "scripts/lib/databaseTools.mjs",
      breaks: ["R-SEC-31", "P5"],
      tests: ["test/unit/backup.test.ts"],
      from: '["ssl", "ssl-verify-server-cert", ...ca]',
      to: '["ssl", ...ca]'
    },
    {
      id: "scripts-backup-over-another",
      from: '  if (existsSync(join(folder, "backup.json"))) throw',
      to: '  if (!existsSync(folder) && databaseUrl === "") throw'
    },
    {
      id: "scripts-backup-keys-unasked",
      from: 'values["without-keys"] !== true && ',
      to: "",
      breaks: ["P5"]
    },
    {
      id: "scripts-backup-keys-for-everybody",
      from: '    chmodSync(join(folder, "keys.json"), 0o600)\n',
      to: "",
      breaks: ["P5"]
    }
  ]),
  ...faultsIn("scripts/replay-revocations.mjs", { breaks: ["R-REC-1"], tests: [`${restored}#mark since when`] }, [
    {
      id: "scripts-replay-marks-what-is-replayed",
      from: " WHERE replayed_at IS NULL;",
      to: ";"
    },
    {
      id: "scripts-replay-since-any-word",
      from: '  if (Number.isNaN(since)) throw new Refusal("--since takes a moment: 2026-01-31T12:00:00Z")\n',
      to: ""
    }
  ])
]

/** On the way: TLS, HTTP, traces. */
const onTheWay: ReadonlyArray<Mutant> = [
  ...faultsIn("src/nats/Tls.ts", { breaks: ["R-SEC-31", "P5"], tests: [`${whole}/nats/tls.test.ts`] }, [
    {
      id: "nats-tls-any-name",
      from: "return wrong.includes(undefined) ? undefined : wrong[0]",
      to: "return wrong.length > 0 ? undefined : wrong[0]"
    }
  ]),
  ...faultsIn("src/nats/NatsConfig.ts", { breaks: ["R-SEC-31", "P5"], tests: [`${whole}/nats/tls.test.ts`] }, [
    {
      id: "nats-config-one-server-here-is-enough",
      from: "servers.every(({ host }) => isLoopback(host))",
      to: "servers.some(({ host }) => isLoopback(host))"
    }
  ]),
  ...faultsIn(
    "src/store/maria/MariadbConnection.ts",
    { breaks: ["R-SEC-31", "P5"], tests: [`${whole}/store/maria/tls.test.ts`] },
    [
      {
        id: "store-connection-any-name",
        from: "checkServerIdentity: (_: string, certificate: PeerCertificate) => checkServerIdentity(host, certificate),",
        to: 'checkServerIdentity: (_: string, certificate: PeerCertificate) =>\n    host === "" ? checkServerIdentity(host, certificate) : undefined,'
      }
    ]
  ),
  ...faultsIn("compose.yaml", { breaks: ["R-SEC-32", "P5"], tests: [`${compose}#takes nothing in clear`] }, [
    {
      id: "compose-database-takes-clear-text",
      from: "      - --require-secure-transport=ON\n",
      to: ""
    }
  ]),
  ...faultsIn(
    "ops/nats-tls-cluster.conf",
    { breaks: ["R-SEC-32", "P5"], tests: [`${compose}#a server without the routes' password`] },
    [
      {
        id: "conf-routes-without-a-password",
        from: "  authorization { user: route, password: $CM_NATS_ROUTE_PASSWORD, timeout: 5 }\n",
        to: ""
      }
    ]
  ),
  ...faultsIn(
    "src/gateway/Bus.ts",
    {
      breaks: ["R-GWY-5", "P10"],
      tests: [`${gateway}/awayBus.test.ts#a request that is under way when the bus is lost`]
    },
    [{ id: "gateway-bus-lost-answer-is-waited-for", from: "      lost.add(tell)\n", to: "" }]
  ),
  ...faultsIn(
    "src/gateway/Server.ts",
    { breaks: ["R-GWY-5", "P10"], tests: [`${gateway}/process.test.ts#a stop answers what was accepted`] },
    [
      {
        id: "gateway-stop-ends-what-was-accepted",
        from: "opened.closeIdleConnections()",
        to: "opened.closeAllConnections()"
      }
    ]
  ),
  ...faultsIn("src/gateway/OpenApi.ts", { breaks: ["R-GWY-7"], tests: [`${gateway}/openapi.test.ts`] }, [
    {
      id: "gateway-openapi-list-and-one-have-one-id",
      from: '.replaceAll(/[{}]/gu, "")',
      to: '.replaceAll(/\\/\\{[^}]*\\}/gu, "")'
    },
    {
      id: "gateway-openapi-headers-without-bound",
      from: "pattern === undefined ? {} : { pattern: pattern.source }",
      to: "{}",
      tests: ["test/unit/gateway/reading.test.ts"]
    }
  ]),
  ...faultsIn("src/gateway/Documents.ts", { breaks: ["R-GWY-7"], tests: [`${gateway}/openapi.test.ts#4: the page`] }, [
    {
      id: "gateway-page-may-ask-any-origin",
      from: "connect-src 'self'; base-uri",
      to: "connect-src *; base-uri"
    }
  ]),
  ...faultsIn(
    "src/gateway/Tls.ts",
    { breaks: ["R-GWY-8"], tests: [`${gateway}/process.test.ts#its certificate is read again`] },
    [
      {
        id: "gateway-tls-new-certificate-waits-for-a-start",
        from: "    server.setSecureContext({",
        to: "    if (saidWrong) server.setSecureContext({"
      },
      {
        id: "gateway-tls-half-a-pair-is-none",
        from: 'certificateFile === "" && keyFile === "" ?',
        to: 'certificateFile === "" || keyFile === "" ?',
        tests: ["test/unit/gateway/Tls.test.ts"]
      }
    ]
  ),
  ...faultsIn(
    "src/gateway/layer.ts",
    { breaks: ["R-GWY-8"], tests: [`${gateway}/process.test.ts#inside the service it is another user`] },
    [
      {
        id: "gateway-inside-as-the-service-itself",
        from: "connection: { ...config.connection, ...(yield* insideUser) }",
        to: "connection: { ...(yield* insideUser), ...config.connection }"
      }
    ]
  ),
  ...faultsIn(
    "src/gateway/TenantByIssuer.ts",
    { breaks: ["R-GWY-9"], tests: [`${gateway}/matrix.test.ts#GET /api/v1/applications`] },
    [
      {
        id: "gateway-tenant-named-by-anybody",
        from: "owner === null || (named !== null && named !== owner)",
        to: "owner === null"
      }
    ]
  ),
  ...faultsIn("src/access/Scopes.ts", { breaks: ["R-GWY-9"], tests: [`${gateway}/matrix.test.ts#GET /api/v1/audit`] }, [
    {
      id: "access-scopes-audit-for-who-reads-credentials",
      from: 'const audit = tenant("tenant:audit:read")',
      to: 'const audit = tenant("tenant:credentials:read")'
    }
  ]),
  ...faultsIn("src/observability/SpanExport.ts", { breaks: ["R-TRC-2", "P6"], tests: [tracing] }, [
    {
      id: "observability-spans-without-bound",
      from: "if (inSecond <= spansMax) return true",
      to: "if (inSecond <= spansMax || second === now) return true"
    },
    {
      id: "observability-span-tells-where-it-failed",
      from: "    this.stack = word\n",
      to: "",
      breaks: ["R-TRC-3", "P5"]
    }
  ]),
  ...faultsIn("src/observability/Tracing.ts", { breaks: ["R-TRC-3", "P5"], tests: [tracing] }, [
    {
      id: "observability-span-tells-the-error-itself",
      from: '    ? error._tag\n    : "error"',
      to: "    ? error._tag\n    : String(error)"
    }
  ]),
  ...faultsIn("src/store/maria/TracedStatements.ts", { breaks: ["R-TRC-2"], tests: [tracing] }, [
    {
      id: "store-traced-failed-statement-is-good",
      tests: ["test/unit/observability/tracing.test.ts"],
      from: 'span.end("failed")',
      to: "span.end(null)"
    },
    {
      id: "store-traced-statements-beside-their-operation",
      from: "inSpan((session) => sessionIn(session, begin, span.trace)),",
      to: "inSpan((session) => sessionIn(session, begin, current.parent)),"
    },
    {
      id: "store-traced-database-is-copied-for-nothing",
      from: "if (begin === null) return database",
      to: "if (begin === null) return { ...database }",
      breaks: ["R-TRC-4"]
    }
  ]),
  ...faultsIn(
    "src/outbox/PublishSpans.ts",
    { breaks: ["R-TRC-3", "P5"], tests: [`${gateway}/traces.test.ts#5: a secret, a token`] },
    [
      {
        id: "outbox-span-tells-the-tenant",
        from: '"messaging.operation.name": "publish" }',
        to: '"messaging.operation.name": "publish", "ce.source": row.headers["ce-source"] ?? "" }'
      }
    ]
  ),
  ...faultsIn("src/observability/TracingConfig.ts", { breaks: ["R-TRC-4"], tests: [tracing] }, [
    {
      id: "observability-traces-to-the-usual-place",
      from: 'byDefault: "",',
      to: 'byDefault: "http://127.0.0.1:4318",'
    }
  ])
]

/** The house, and what starts it. */
const starting: ReadonlyArray<Mutant> = [
  ...faultsIn("src/protocols/Managed.ts", { breaks: ["R-RUN-2"], tests: [house] }, [
    {
      id: "protocols-handler-reaches-the-store",
      from: 'import { ManagedElsewhere } from "../domain/errors.ts"\n',
      to: 'import { ManagedElsewhere } from "../domain/errors.ts"\nimport "../store/PlatformStore.ts"\n'
    }
  ]),
  ...faultsIn(
    "src/gateway/CredentialRows.ts",
    { breaks: ["R-GWY-1"], tests: [`${gateway}/rows.test.ts#14: services are listed`] },
    [
      {
        id: "gateway-rows-services-in-one-page",
        from: "    answer: ServicePage,\n    statuses: [200],\n    query: pageParameters,\n",
        to: "    answer: ServicePage,\n    statuses: [200],\n"
      }
    ]
  ),
  ...faultsIn(
    "src/gateway/OtherRows.ts",
    { breaks: ["R-GWY-1"], tests: [`${gateway}/rows.test.ts#15: applications are listed`] },
    [
      {
        id: "gateway-rows-applications-in-one-page",
        from: "    answer: ApplicationPage,\n    statuses: [200],\n    query: pageParameters,\n",
        to: "    answer: ApplicationPage,\n    statuses: [200],\n"
      }
    ]
  ),
  ...faultsIn("src/gateway/Handler.ts", { breaks: ["R-GWY-1"], tests: [`${gateway}/rows.test.ts#12: PUT rotate`] }, [
    {
      id: "gateway-handler-any-conflict-is-a-precondition",
      from: 'version !== null && why.code === "VERSION_CONFLICT"',
      to: 'why.code === "VERSION_CONFLICT"'
    },
    {
      id: "gateway-handler-refused-by-the-operations-name",
      from: "byCallersName(row, why)",
      to: "why",
      tests: [`${gateway}/rows.test.ts#4: PATCH a token`]
    },
    {
      id: "gateway-handler-room-is-never-given-back",
      from: "(giveBack) => giveBacks.push(giveBack)",
      to: "() => {}",
      breaks: ["R-GWY-4", "P6"],
      tests: [`${gateway}/hostile.test.ts#4 MiB of body fit`]
    }
  ]),
  ...faultsIn(
    "src/gateway/OpenApi.ts",
    { breaks: ["R-GWY-7"], tests: [`${gateway}/openapi.test.ts#2a: says of each parameter`] },
    [
      {
        id: "gateway-openapi-nothing-by-default",
        from: "    ...(byDefault === undefined ? {} : { default: byDefault })\n",
        to: ""
      },
      { id: "gateway-openapi-lists-of-anything", from: "{ ...types.list, items: one }", to: "{ ...types.list }" }
    ]
  ),
  ...faultsIn(
    "src/gateway/TenantByIssuer.ts",
    { breaks: ["R-GWY-9", "P6"], tests: ["test/unit/gateway/TenantByIssuer.test.ts"] },
    [
      { id: "gateway-tenant-first-answer-for-ever", from: "          asking.delete(issuer)\n", to: "" },
      { id: "gateway-tenant-one-question-more", from: "asking.size >= questionsMax", to: "asking.size > questionsMax" },
      { id: "gateway-tenant-nobody-is-asked-together", from: "      asking.set(issuer, deferred)\n", to: "" }
    ]
  ),
  ...faultsIn("src/gateway/TenantByIssuer.ts", { breaks: ["R-RUN-2"], tests: [house] }, [
    {
      id: "gateway-tenant-by-the-machines-clock",
      from: "const untilMs = clock.currentTimeMillisUnsafe() +",
      to: "const untilMs = Date.now() +"
    }
  ]),
  ...faultsIn("src/protocols/AsyncApi.ts", { breaks: ["R-RUN-4"], tests: ["test/unit/protocols/asyncApi.test.ts"] }, [
    { id: "protocols-asyncapi-is-not-written-again", from: '  "FORBIDDEN",\n', to: "" }
  ]),
  ...faultsIn("docs/failure-modes.md", { breaks: ["R-RUN-4"], tests: ["test/unit/protocols/status.test.ts"] }, [
    {
      id: "docs-code-with-another-status",
      from: "| 410 | `CREDENTIAL_EXPIRED` |",
      to: "| 409 | `CREDENTIAL_EXPIRED` |"
    }
  ]),
  ...faultsIn("src/launch/Ready.ts", { breaks: ["R-RUN-5"], tests: [`${whole}/service/ready.test.ts`] }, [
    {
      id: "launch-ready-before-it-is",
      from: "Effect.raceFirst(untilReady, shutdown.requested)",
      to: "Effect.raceFirst(untilReady, Effect.void)"
    }
  ]),
  ...faultsIn("src/launch/ReadyFile.ts", { breaks: ["R-RUN-5"], tests: [readyFile] }, [
    {
      id: "launch-ready-after-it-was",
      from: "() => Effect.sync(() => rmSync(file, { force: true }))",
      to: "() => Effect.void"
    }
  ]),
  ...faultsIn("src/launch/ReadyFile.ts", { breaks: ["R-RUN-18"], tests: [readyFile] }, [
    {
      id: "launch-ready-is-touched-once",
      from: 'Effect.forkScoped(Loop.forever("the ready file", touch))',
      to: "Effect.forkScoped(touch)"
    },
    { id: "launch-ready-is-gone-all-the-time", from: "if (!wasTouched && !saidWrong) {", to: "if (!wasTouched) {" }
  ]),
  ...faultsIn("Dockerfile", { breaks: ["R-RUN-18"], tests: [`${readyFile}#the image's health check`] }, [
    { id: "docker-health-however-old", from: "-mmin -1)", to: "-mmin -100)" }
  ]),
  ...faultsIn(
    "compose.yaml",
    { breaks: ["R-RUN-19"], tests: ["test/unit/containers.test.ts#compose.yaml looks at a replica's health"] },
    [{ id: "compose-health-however-old", from: "-mmin -1)", to: "-mmin -100)" }]
  ),
  ...faultsIn("ops/kubernetes/service.yaml", { breaks: ["R-RUN-19", "P10"], tests: [kubernetes] }, [
    {
      id: "kubernetes-killed-before-it-has-stopped",
      from: "terminationGracePeriodSeconds: 45",
      to: "terminationGracePeriodSeconds: 30"
    },
    { id: "kubernetes-key-file-is-roots-alone", from: "        fsGroup: 1000\n", to: "" },
    {
      id: "kubernetes-replica-named-too-long",
      from: "  name: cm\n  namespace",
      to: "  name: credentials-service\n  namespace"
    },
    { id: "kubernetes-none-until-one-is-gone", from: "      maxUnavailable: 0\n", to: "      maxUnavailable: 1\n" }
  ]),
  ...faultsIn("ops/kubernetes/gateway.yaml", { breaks: ["R-RUN-19"], tests: [kubernetes] }, [
    {
      id: "kubernetes-port-of-the-service-is-a-setting",
      from: "enableServiceLinks: false",
      to: "enableServiceLinks: true"
    }
  ]),
  ...faultsIn("ops/kubernetes/network-policies.yaml", { breaks: ["R-RUN-19", "P5"], tests: [kubernetes] }, [
    { id: "kubernetes-host-is-a-provider", from: "              - 169.254.0.0/16\n", to: "" }
  ]),
  ...faultsIn("scripts/lib/lock.mjs", { breaks: ["R-RUN-6"], tests: [`${whole}/lock.test.ts`] }, [
    {
      id: "scripts-lock-is-not-looked-at-again",
      from: "if (now === undefined || !isSame(now, first)) {",
      to: "if (now === undefined) {"
    },
    {
      id: "scripts-lock-of-the-dead-is-written-over",
      from: "const taken = succeed(file, mine, found)",
      to: "const taken = (renameSync(mine, file), {})"
    }
  ]),
  ...faultsIn("scripts/lib/run.mjs", { breaks: ["R-RUN-7"], tests: [cluster] }, [
    {
      id: "scripts-run-one-replica-ends-all",
      from: "stack.watch(service, () => services.some(({ child }) => child !== service && !child.hasEnded()))",
      to: "stack.watch(service)"
    },
    {
      id: "scripts-run-a-tenant-beside-the-managers",
      from: '(isManaged(env) ? "" : "demo")',
      to: '"demo"',
      breaks: ["R-PLT-10"],
      tests: [`${whole}/platform.test.ts#it says where everything is`]
    },
    {
      id: "scripts-run-says-that-it-runs",
      from: '  rmSync(join(dir, "run.json"), { force: true })\n',
      to: ""
    }
  ]),
  ...faultsIn("scripts/platform.mjs", { breaks: ["R-RUN-13"], tests: [`${whole}/platform.test.ts`] }, [
    {
      id: "scripts-platform-demo-is-always-right",
      from: "await stop(wrong.length === 0 ? 0 : 1)",
      to: "await stop(0)",
      tests: [`${whole}/platform.test.ts#a service that answers wrongly makes the demo end with 1`]
    },
    {
      id: "scripts-platform-goes-on-without-a-part",
      from: "  ended.then(() => stop(1))\n",
      to: "",
      tests: [`${whole}/platform.test.ts#when a part of it dies`]
    }
  ])
]

/** Refreshes and rotations. */
const outside: ReadonlyArray<Mutant> = [
  ...faultsIn(
    "src/domain/Refresh.ts",
    { breaks: ["R-REF-9"], tests: [`${whole}/refresh/refresh.test.ts#comes by itself when it is due`] },
    [
      {
        id: "domain-refresh-copies-push-others-out",
        from: "spares.filter(({ grant }) => !grants.has(grant) && grants.add(grant))",
        to: "spares.filter(({ grant }) => grants.has(grant) || grants.add(grant))",
        breaks: ["P7", "R-REF-11"],
        tests: ["test/unit/domain/Refresh.test.ts"]
      },
      {
        id: "domain-refresh-doubt-waits-for-the-usual-time",
        from: "  if (grant.doubtSince !== null) return grant.doubtSince\n",
        to: "",
        breaks: ["P7", "R-REF-10", "R-REF-22"],
        tests: [
          "test/unit/rotation/LiveRefresher.test.ts#does not begin",
          "test/unit/domain/Refresh.test.ts",
          `${whole}/refresh/giveBack.test.ts`
        ]
      },
      {
        id: "domain-refresh-grant-that-is-left-waits-for-the-usual-time",
        from: "return grant.attempts > 0 ? (lastError?.at ?? 0) : nextRefreshAt",
        to: "return grant.attempts > 0 && nextRefreshAt === null ? (lastError?.at ?? 0) : nextRefreshAt",
        breaks: ["R-REF-12"],
        tests: ["test/unit/domain/Refresh.test.ts"]
      },
      {
        id: "domain-refresh-short-life-to-its-end",
        from: "else if (life <= margin) ends.push(from + life / 2)",
        to: "else if (life <= margin) ends.push(from + life)"
      },
      {
        id: "domain-refresh-notice-again-after-each",
        from: 'typeof noticedMs === "number" && end !== null && end - now <= noticedMs ? noticedMs : null',
        to: 'typeof noticedMs === "number" && end !== null && end <= now ? noticedMs : null',
        breaks: ["R-REF-18"],
        tests: [`${beside}#the end of a grant is told of before it comes`]
      }
    ]
  ),
  ...faultsIn(
    "src/actors/credentials/Endings.ts",
    { breaks: ["R-REF-18"], tests: [`${beside}#the end of a grant is told of before it comes`] },
    [
      {
        id: "credentials-grant-notice-is-not-remembered",
        from: "  workspace.credentials.update({ ...credential, refresh: { ...refresh, grantNoticedMs: due } })\n",
        to: ""
      }
    ]
  ),
  ...faultsIn(
    "src/store/maria/ProviderTurns.ts",
    { breaks: ["R-REF-13"], tests: ["test/unit/store/maria/ProviderTurns.test.ts"] },
    [
      {
        id: "store-turns-queue-known-before-its-commit",
        from: "  await session.run(queueSql, [bytes(queue),",
        to: "  known.set(queue, rulesText(request))\n  await session.run(queueSql, [bytes(queue),"
      },
      {
        id: "store-turns-of-a-lane-at-once-uncounted",
        from: "if (held >= parallel) {",
        to: "if (held > parallel) {",
        tests: [`${whole}/store/MariaRefreshStore.test.ts`]
      }
    ]
  ),
  ...faultsIn(
    "src/store/maria/DuePick.ts",
    { breaks: ["R-REF-14"], tests: [`${whole}/store/maria/ProviderTurns.test.ts`] },
    [
      {
        id: "store-pick-looks-through-all-turns",
        from: "WHERE h.held_lane = q.lane AND",
        to: "WHERE h.lane = q.lane AND"
      },
      {
        id: "store-pick-counts-from-the-last-turn",
        from: "ORDER BY f.taken_at, f.turn_id LIMIT 1),",
        to: "ORDER BY f.taken_at DESC, f.turn_id DESC LIMIT 1),",
        breaks: ["R-REF-13", "R-REF-14"]
      },
      {
        id: "store-pick-believes-every-number-of-a-turn",
        from: "lane_turn BETWEEN 1 AND ${turnNumberMax}",
        to: "lane_turn IS NOT NULL"
      }
    ]
  ),
  ...faultsIn(
    "src/store/maria/DuePick.ts",
    { breaks: ["R-REF-29"], tests: [`${whole}/store/MariaRefreshStore.test.ts#lets rest`] },
    [
      {
        id: "store-pick-another-version-rests",
        from: "AND version = COALESCE(?, version) AND",
        to: "AND COALESCE(?, 1) > 0 AND"
      },
      {
        id: "store-pick-what-was-decided-rests",
        from: "COALESCE(?, version) AND refresh_due_at <= ${Columns.nowSql} + ${pickedMs}`",
        to: "COALESCE(?, version) AND refresh_due_at > 0`"
      }
    ]
  ),
  ...faultsIn(
    "src/store/maria/DueSift.ts",
    { breaks: ["R-REF-29"], tests: [`${whole}/store/MariaRefreshStore.test.ts#sifts`] },
    [
      {
        id: "store-sift-loses-those-of-one-moment",
        from: "AND (refresh_due_at > ? OR credential_id > ?)",
        to: "AND (refresh_due_at > ? AND credential_id > ?)"
      },
      {
        id: "store-sift-moves-what-holds",
        from: "if (credential !== undefined && holds(credential)) return []",
        to: "if (credential !== undefined && holds(credential) && limit < 0) return []"
      }
    ]
  ),
  ...faultsIn("src/store/FairPick.ts", { breaks: ["R-REF-14"], tests: [fair] }, [
    {
      id: "store-pick-of-a-closed-queue",
      from: "    .filter(([queue]) => known.get(queue)?.isClosed !== true)\n",
      to: ""
    },
    {
      id: "store-pick-as-many-of-a-new-queue",
      from: "const newQueueRoom = 4",
      to: "const newQueueRoom = 64"
    },
    {
      id: "store-pick-in-the-order-of-rows",
      from: "rows: rows.toSorted((a, b) => a.urgency - b.urgency),",
      to: "rows,",
      breaks: ["R-REF-13"],
      tests: ["test/unit/store/MemoryRefreshStore.test.ts"]
    }
  ]),
  ...faultsIn(
    "src/actors/credentials/HealthCommands.ts",
    { breaks: ["R-REF-16"], tests: [`${beside}#is looked at, and its end and its recovery are told`] },
    [
      {
        id: "credentials-health-recovery-untold",
        from: "if (refresh.health.toldAt !== null) {",
        to: "if (refresh.health.toldAt !== null && refresh.health.failures >= toldTransientAt) {"
      }
    ]
  ),
  ...faultsIn(
    "src/rotation/HealthCheck.ts",
    { breaks: ["R-REF-16"], tests: [`${beside}#is looked at, and its end and its recovery are told`] },
    [
      {
        id: "rotation-health-barred-for-no-reason",
        from: "(status === 401 || status === 403) &&",
        to: "status === 403 &&"
      }
    ]
  ),
  ...faultsIn(
    "src/actors/credentials/RevocationCommands.ts",
    { breaks: ["R-REF-17"], tests: [`${beside}#that fails is one here all the same`] },
    [
      {
        id: "credentials-revocation-tried-once",
        from: "refreshDueAt: workspace.now + backOffMs(attempts, chance)",
        to: "refreshDueAt: attempts < 0 ? workspace.now + backOffMs(attempts, chance) : null"
      }
    ]
  ),
  ...faultsIn(
    "src/rotation/RevokeAtProvider.ts",
    { breaks: ["R-REF-17"], tests: [`${beside}#that fails is one here all the same`] },
    [
      {
        id: "rotation-revoke-any-answer-is-a-yes",
        from: "(raw.status >= 200 && raw.status < 300)",
        to: "(raw.status >= 200 && raw.status !== 400)"
      },
      {
        id: "rotation-revocation-cut-by-a-stop-has-failed",
        from: "if (revoked === null) return null",
        to: 'if (revoked === null) return { failure: { reason: "invalid_client", detail: "", httpStatus: null }, result: { _tag: "client" } }',
        breaks: ["R-REF-25"],
        tests: ["test/unit/rotation/LiveRefresher.test.ts#once the stop"]
      }
    ]
  ),
  ...faultsIn("src/launch/Ready.ts", { breaks: ["R-REF-25"], tests: [`${whole}/refresh/stop.test.ts`] }, [
    {
      id: "launch-stop-is-told-to-nobody",
      from: 'Effect.andThen(shutdown.request, Effect.logInfo("stopping"))',
      to: 'Effect.logInfo("stopping")'
    }
  ]),
  ...faultsIn(
    "src/rotation/Exchange.ts",
    { breaks: ["R-REF-19"], tests: [`${whole}/refresh/oidcProvider.test.ts#by a client of the kind basic`] },
    [
      {
        id: "rotation-exchange-next-secret-without-a-look",
        from: "if (index > 0 && !(yield* again)) return null",
        to: "if (index < 0 && !(yield* again)) return null",
        breaks: ["P7", "R-REF-11"],
        tests: ["test/unit/rotation/LiveRefresher.test.ts#lasts too short"]
      },
      {
        id: "rotation-exchange-cut-is-the-providers-answer",
        from: "if (index > 0 && !(yield* again)) return null",
        to: "if (index > 0 && !(yield* again)) return last",
        breaks: ["P7", "R-REF-22", "R-REF-25"],
        tests: [
          "test/unit/rotation/LiveRefresher.test.ts#once the stop",
          "test/unit/rotation/LiveRefresher.test.ts#next secret cannot be tried"
        ]
      },
      {
        id: "rotation-exchange-first-secret-only",
        from: 'if (readAnswer({ provider, raw, sent, defaultLifeMs: null }).kind !== "client") return last',
        to: 'if (readAnswer({ provider, raw, sent, defaultLifeMs: null }).kind !== "transient") return last'
      },
      {
        id: "rotation-exchange-assertion-for-the-other-audience",
        from: 'provider.assertion_audience === "issuer" ?',
        to: 'provider.assertion_audience !== "issuer" ?',
        tests: [signing]
      },
      {
        id: "rotation-exchange-assertion-for-no-issuer",
        from: '=== "issuer" ? (provider.issuer ?? url) : url',
        to: '=== "issuer" ? url : url',
        tests: [signing]
      },
      {
        id: "rotation-exchange-assertion-for-where-it-revokes",
        from: "const audience = fillUrl(provider.token_url, ",
        to: "const audience = fillUrl(template, ",
        tests: [signing]
      },
      {
        id: "rotation-exchange-assertion-for-hours",
        from: "now + assertionSeconds",
        to: "now + 1_000 * assertionSeconds",
        tests: [signing]
      },
      {
        id: "rotation-exchange-assertion-for-nobody",
        from: "      .setAudience(audience)\n",
        to: "      .setAudience(`${audience}/`)\n",
        tests: [`${whole}/refresh/oidcProvider.test.ts#by a client of the kind key`]
      }
    ]
  ),
  ...faultsIn(
    "src/rotation/StoredAnswers.ts",
    { breaks: ["P7", "R-REF-20"], tests: ["test/chaos/grants.test.ts#lose no grant that could be kept"] },
    [
      {
        id: "rotation-refresh-any-no-is-for-good",
        from: 'if (read.kind === "refused") return of({ kind: "refused" }, null, failure)',
        to: 'if (read.kind !== "unknown") return of({ kind: "refused" }, null, failure)'
      }
    ]
  ),
  ...faultsIn(
    "src/domain/ProviderWords.ts",
    { breaks: ["P5", "R-REF-21"], tests: ["test/chaos/grants.test.ts#lose no grant that could be kept"] },
    [{ id: "domain-words-parts-are-shown", from: "const partLength = 8", to: "const partLength = 80" }]
  ),
  ...faultsIn(
    "src/rotation/LiveRotator.ts",
    { breaks: ["R-ROT-4"], tests: [`${whole}/rotators/webhook.test.ts#goes from step to step`] },
    [
      {
        id: "rotation-promise-is-told-as-a-failure",
        from: "retryAfterMs, behind: next.why }",
        to: "retryAfterMs }"
      }
    ]
  ),
  ...faultsIn("src/rotation/Webhook.ts", { breaks: ["R-ROT-5"], tests: [rotators] }, [
    {
      id: "rotation-webhook-what-is-sent-stays-in-memory",
      from: "          plaintext.fill(0)\n",
      to: "",
      breaks: ["P5", "R-ROT-5"]
    },
    {
      id: "rotation-webhook-what-is-answered-stays-in-memory",
      from: "  plaintext?.fill(0)\n",
      to: "",
      breaks: ["P5", "R-ROT-5"]
    },
    {
      id: "rotation-webhook-key-of-a-cut-question-stays",
      from: "(conversation) => Effect.sync(conversation.end)",
      to: '(conversation, exit) => (exit._tag === "Success" ? Effect.sync(conversation.end) : Effect.void)',
      breaks: ["P5", "R-ROT-5"]
    },
    {
      id: "rotation-webhook-any-no-is-for-good",
      from: "permanent === true, words",
      to: "permanent !== false, words"
    },
    {
      id: "rotation-webhook-late-one-is-away",
      from: 'name === "TimeoutError" ? "timeout"',
      to: 'name === "Timeout" ? "timeout"'
    },
    {
      id: "rotation-webhook-made-secret-alone",
      from: "done({ ...current, [field]: generated(definition.generate) })",
      to: "done({ [field]: generated(definition.generate) })"
    },
    {
      id: "rotation-webhook-says-two-things-and-is-believed",
      from: "  const parsed = parseJson(bytes)\n",
      to: "  const parsed = Result.try(() => ({ value: JSON.parse(new TextDecoder().decode(bytes)) as unknown, flaws: [] as ReadonlyArray<unknown> }))\n"
    },
    {
      id: "rotation-webhook-any-secret-in-an-answer",
      from: "return namesOnlySent(body.secrets, sent, type, open) ? done()",
      to: "return namesOnlySent(body.secrets, sent, type, open) || true ? done()"
    },
    {
      id: "rotation-webhook-any-secret-that-opens",
      from: "every((name) => one[name] === other[name])",
      to: "every((name) => one[name] !== undefined)"
    }
  ]),
  ...faultsIn(
    "src/actors/credentials/RotationSteps.ts",
    { breaks: ["R-ROT-6"], tests: [`${whole}/rotators/webhook.test.ts#wins over a rotation under way`] },
    [
      {
        id: "credentials-by-hand-beside-a-rotation",
        from: "withRotating(credential, Life.afterHand(credential.rotating, now))",
        to: "withRotating(credential, { ...credential.rotating, nextRotationAt: now + credential.rotating.everyMs })"
      },
      {
        id: "credentials-rotation-without-overlap-has-one",
        from: "overlap_until: overlapUntil > workspace.now ? iso(overlapUntil) : null,",
        to: "overlap_until: iso(overlapUntil),",
        breaks: ["R-ROT-4"],
        tests: ["test/unit/rotation/LiveRotator.test.ts"]
      },
      {
        id: "credentials-rotation-old-one-ends-at-once",
        from: 'state: "spare", validUntil: overlapUntil',
        to: 'state: "spare", validUntil: workspace.now',
        breaks: ["R-ROT-4"],
        tests: ["test/unit/rotation/LiveRotator.test.ts"]
      },
      {
        id: "credentials-rotation-told-backwards",
        from: "    version: [before.version, credential.version],\n    credentials: [old",
        to: "    version: [credential.version, before.version],\n    credentials: [old",
        breaks: ["R-ROT-4"],
        tests: ["test/unit/rotation/LiveRotator.test.ts"]
      },
      {
        id: "credentials-rotation-recovers-untold",
        from: "if (before.rotating?.toldAt !== null) {",
        to: "if (before.rotating === undefined) {",
        breaks: ["R-REF-12"],
        tests: ["test/unit/rotation/LiveRotator.test.ts"]
      }
    ]
  ),
  ...faultsIn(
    "src/rotation/MariadbUser.ts",
    { breaks: ["R-ROT-7"], tests: [`${mariadbUser}#is changed under load, twice`] },
    [
      {
        id: "rotation-mariadb-stays-locked",
        from: "IDENTIFIED BY PASSWORD '${hashOf(secret.password!)}' ACCOUNT UNLOCK",
        to: "IDENTIFIED BY PASSWORD '${hashOf(secret.password!)}'"
      },
      {
        id: "rotation-mariadb-old-one-is-left",
        from: 'if (takingAway(user, inUse) === "lock") {',
        to: 'if (takingAway(user, inUse) !== "lock") {'
      },
      {
        id: "rotation-mariadb-administrator-signs-in-in-a-stop",
        from: "  if (yield* isOver(question)) return late\n  const { current, mayBegin, secret } = question\n",
        to: "  const { current, mayBegin, secret } = question\n",
        breaks: ["R-REF-25"],
        tests: [`${mariadbUser}#signs in nowhere`]
      },
      {
        id: "rotation-mariadb-tests-in-a-stop",
        from: "      if (yield* isOver(question)) return late\n",
        to: "",
        breaks: ["R-REF-25"],
        tests: [`${mariadbUser}#signs in nowhere`]
      },
      {
        id: "rotation-mariadb-looks-at-the-old-one-in-a-stop",
        from: "      } else if (yield* isOver(question)) return late\n",
        to: "      }\n",
        breaks: ["R-REF-25"],
        tests: [`${mariadbUser}#signs in nowhere`]
      },
      {
        id: "rotation-mariadb-in-clear-without-an-authority",
        from: "...(isLoopback(plan.host) && plan.ca === null\n",
        to: "...((isLoopback(plan.host) || timeoutMs > 0) && plan.ca === null\n",
        breaks: ["R-ROT-8", "P5"],
        tests: [rotators]
      },
      {
        id: "rotation-mariadb-any-port-of-a-listed-host",
        from: "if (!options.allowedHosts.has(`${plan.host}:${plan.port}`)) return",
        to: "if (!Array.from(options.allowedHosts).some((one) => one.startsWith(`${plan.host}:`))) return",
        breaks: ["R-ROT-8", "P6"],
        tests: [rotators]
      }
    ]
  ),
  ...faultsIn("src/domain/Rotator.ts", { breaks: ["R-ROT-8", "P6"], tests: [`${mariadbUser}#is refused as a user`] }, [
    {
      id: "domain-rotator-user-begins-well",
      from: "/^[A-Za-z0-9_]{1,80}$/u",
      to: "/^[A-Za-z0-9_]{1,80}/u"
    }
  ]),
  ...faultsIn(
    "src/domain/RotationLife.ts",
    {
      breaks: ["P7", "R-ROT-9"],
      tests: [`${whole}/rotators/kills.test.ts#at each moment of writing the claim of set`]
    },
    [
      {
        id: "domain-rotation-claim-of-the-dead-stays",
        from: "if (state.claim !== null && now < state.claim.until) return",
        to: "if (state.claim !== null && state.claim.holder !== holder) return"
      }
    ]
  )
]

const rotatedByAnother: ReadonlyArray<Mutant> = [
  ...faultsIn(
    "src/domain/RotationLife.ts",
    { breaks: ["R-ROT-10"], tests: ["test/unit/rotation/LiveRotator.test.ts"] },
    [
      {
        id: "domain-rotation-of-another-is-not-seen",
        from: "asked !== null && asked.workedAt !== null && asked.workedAt !== state.underWay?.generation",
        to: "asked !== null && asked.workedAt !== null && asked.workedAt < (state.underWay?.generation ?? 0)"
      }
    ]
  ),
  ...faultsIn(
    "src/rotation/LiveRotator.ts",
    { breaks: ["R-ROT-10"], tests: ["test/unit/rotation/LiveRotator.test.ts"] },
    [
      {
        id: "rotation-of-another-is-always-pending",
        from: "=> cameTo(credential, first) ?? failed(",
        to: "=> failed("
      },
      {
        id: "rotation-begun-and-not-taken-is-called-undone",
        from: 'error._tag === "Unavailable" || error._tag === "TooManyRequests" ?',
        to: 'error._tag === "Unavailable" ?'
      },
      {
        id: "rotation-by-hand-is-taken-for-a-lost-secret",
        from: "if (rotating?.claim?.term !== claim.term || !Life.isOf(rotating, work)) return null",
        to: "if (rotating?.claim?.term !== claim.term) return null",
        tests: ["test/unit/rotation/LiveRotator.test.ts#between the claim of a step and its question"]
      },
      {
        id: "rotation-by-hand-is-not-the-new-secret",
        from: "if (secretVersion !== since.secretVersion) return",
        to: "if (rotating.lastRotatedAt !== since.rotating.lastRotatedAt) return"
      },
      {
        id: "rotation-begun-is-called-undone",
        from: "(hasBegun ? failedMeanwhile(error) : error)",
        to: "error"
      },
      {
        id: "rotation-not-begun-is-perhaps-done",
        from: "(hasBegun ? failedMeanwhile(error) : error)",
        to: "failedMeanwhile(error)"
      },
      {
        id: "rotation-of-another-forgets-what-it-worked-at",
        from: "            workedAt = next.work.generation\n",
        to: ""
      }
    ]
  )
]

export const wholes: ReadonlyArray<Mutant> = [
  ...bus,
  ...stored,
  ...onTheWay,
  ...starting,
  ...outside,
  ...rotatedByAnother
]
