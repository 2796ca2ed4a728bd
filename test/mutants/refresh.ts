/** Faults in refreshes at providers and in rotators: what carries a request, what is under way, what comes of it. */
import { faultsIn, type Mutant } from "./Mutant.ts"

const refresher = "test/unit/rotation/LiveRefresher.test.ts"
const guarded = "test/unit/platform/GuardedHttp.test.ts"
const flights = "test/unit/rotation/RefreshFlights.test.ts"
const loop = "test/unit/rotation/RefreshLoop.test.ts"
const turns = "test/unit/rotation/HeldTurns.test.ts"
const fair = "test/unit/store/FairPick.test.ts"
const answers = "test/unit/domain/ProviderAnswer.test.ts"
const requests = "test/unit/domain/ProviderRequest.test.ts"

export const refresh: ReadonlyArray<Mutant> = [
  ...faultsIn("src/platform/GuardedHttp.ts", { breaks: ["P7", "R-REF-3"], tests: [guarded] }, [
    { id: "platform-guarded-strict-head", from: "insecureHTTPParser: true", to: "insecureHTTPParser: false" },
    { id: "platform-guarded-short-head", from: "      maxHeaderSize: headBytesMax,\n", to: "" },
    {
      id: "platform-guarded-unparsed-is-let-go",
      from: "? (unparsed(heard?.() ?? null) ?? parsed) : parsed",
      to: "? parsed : parsed"
    },
    {
      id: "platform-guarded-no-answer-is-one",
      from: " || heard.body.byteLength === 0",
      to: "",
      breaks: ["R-REF-12"]
    },
    {
      id: "platform-guarded-other-protocol-takes-its-time",
      from: '      fail("unreachable")\n      socket.destroy()',
      to: "      socket.destroy()",
      breaks: ["R-REF-6"]
    },
    {
      id: "platform-guarded-decoded-of-any-length",
      from: "body !== undefined && body.byteLength <= answerBytesMax",
      to: "body !== undefined",
      breaks: ["R-REF-6"]
    }
  ]),
  ...faultsIn("src/platform/GuardedHttp.ts", { breaks: ["P6", "R-REF-6"], tests: [guarded] }, [
    {
      id: "platform-guarded-name-waits-for-a-thread",
      from: "isListed(url, options) ? systemResolve : lookUpPublic",
      to: "isListed(url, options) ? systemResolve : systemResolve"
    },
    {
      id: "platform-guarded-listed-name-of-a-name-server",
      from: "isListed(url, options) ? systemResolve : lookUpPublic",
      to: "lookUpPublic"
    }
  ]),
  ...faultsIn(
    "src/platform/PublicLookup.ts",
    { breaks: ["R-REF-6"], tests: ["test/unit/platform/PublicLookup.test.ts"] },
    [
      {
        id: "platform-lookup-of-one-kind-alone",
        from: "return found.flatMap((one)",
        to: "return found.slice(0, 1).flatMap((one)"
      },
      {
        id: "platform-lookup-one-kind-that-is-not-answered-is-all",
        from: 'asked.status === "rejected" && other.status === "rejected"',
        to: 'asked.status === "rejected" || other.status === "rejected"'
      },
      {
        id: "platform-lookup-goes-on-without-anybody",
        from: '  signal.addEventListener("abort", cancel, { once: true })\n',
        to: ""
      }
    ]
  ),
  ...faultsIn("src/platform/HeardBytes.ts", { breaks: ["P7", "R-REF-3"], tests: [guarded] }, [
    {
      id: "platform-heard-behind-the-parser",
      from: 'socket.prependListener("data"',
      to: 'socket.on("data"'
    },
    { id: "platform-heard-without-a-status", from: "(\\d{3})\\b/u", to: "(\\d{4})\\b/u" }
  ]),
  ...faultsIn("src/platform/ContentCoding.ts", { breaks: ["P7", "R-REF-3"], tests: [guarded] }, [
    {
      id: "platform-coding-of-half-a-body",
      from: "finishFlush: zlib.constants.Z_SYNC_FLUSH",
      to: "finishFlush: zlib.constants.Z_FINISH"
    },
    { id: "platform-coding-from-the-inside", from: ".slice(-codingsMax).reverse()", to: ".slice(-codingsMax)" },
    {
      id: "platform-coding-bomb",
      from: "decodedBytesMax = 1_048_576",
      to: "decodedBytesMax = 1_073_741_824",
      breaks: ["P6"]
    },
    {
      id: "platform-coding-what-is-none-is-let-go",
      from: '"ERR_BUFFER_TOO_LARGE" ? undefined : body',
      to: '"ERR_BUFFER_TOO_LARGE" ? undefined : undefined'
    }
  ]),
  ...faultsIn("src/http/BoundedBody.ts", { breaks: ["P7", "R-REF-3"], tests: ["test/unit/http/BoundedBody.test.ts"] }, [
    {
      id: "http-body-last-piece-is-let-go",
      from: "    kept.push(chunk)\n    if (bytes > bytesMax) throw new BodyTooLong()\n",
      to: "    if (bytes > bytesMax) throw new BodyTooLong()\n    kept.push(chunk)\n"
    }
  ]),
  ...faultsIn("src/domain/ProviderRequest.ts", { breaks: ["R-REF-5"], tests: [requests] }, [
    {
      id: "domain-request-any-coding",
      from: '  "Accept-Encoding": "identity",\n',
      to: "",
      breaks: ["P7", "R-REF-3"]
    },
    {
      id: "domain-request-field-of-every-object",
      from: "Object.hasOwn(secret, field) ?",
      to: "field in secret ?",
      breaks: ["R-REF-5"]
    },
    {
      id: "domain-request-short-secret-is-none",
      from: "secretLengthMin = 4",
      to: "secretLengthMin = 9",
      breaks: ["R-REF-4"]
    }
  ]),
  ...faultsIn("src/domain/ProviderAnswer.ts", { breaks: ["R-REF-3"], tests: [answers] }, [
    { id: "domain-answer-half-a-character-is-a-token", from: " && found.isWellFormed()", to: "" },
    {
      id: "domain-answer-life-beyond-all-measure",
      from: "end > receivedAt && end <= receivedAt + lifeMsMax",
      to: "end > receivedAt"
    },
    {
      id: "domain-answer-waits-for-years",
      from: "Math.min(until, now + 86_400_000)",
      to: "until",
      breaks: ["R-REF-12"]
    },
    {
      id: "domain-answer-live-grant-that-is-over-goes",
      from: 'over && provider.grant !== "exchange_live"',
      to: "over"
    }
  ]),
  ...faultsIn("src/rotation/HeldTurns.ts", { breaks: ["R-REF-9"], tests: [refresher] }, [
    {
      id: "rotation-refresh-times-by-its-own-clock",
      from: "Effect.map(elapsedMs, (at) => moment + at - from)",
      to: "Effect.map(Clock.currentTimeMillis, (at) => at + 0 * (moment + from))",
      tests: [`${refresher}#database's clock`]
    },
    {
      id: "rotation-refresh-turn-lasts-from-its-answer-on",
      from: "until: from + holdMs }",
      to: "until: from + 2 * holdMs }",
      breaks: ["R-REF-13"],
      tests: [turns, refresher]
    }
  ]),
  ...faultsIn("src/rotation/RefreshFlights.ts", { breaks: ["R-REF-8"], tests: [flights] }, [
    { id: "rotation-flights-stay-taken", from: "          flights.delete(key)\n", to: "" },
    {
      id: "rotation-flights-bug-behind-a-bug-ends-never",
      from: "fork(Effect.flatMap(whatever, ends)",
      to: "fork(Effect.flatMap(whole(job), ends)"
    },
    {
      id: "rotation-flights-of-every-tenant",
      from: "`${asking.tenantId}/${asking.credentialId}`",
      to: "asking.credentialId",
      breaks: ["P6"]
    },
    {
      id: "rotation-flights-put-off-is-the-end",
      from: "return isPutOff || (isOthers",
      to: "return (isOthers"
    }
  ]),
  ...faultsIn("src/rotation/RefreshLoop.ts", { breaks: ["P6", "R-REF-14"], tests: [loop] }, [
    { id: "rotation-loop-without-shares", from: "store.pick(room, ofTenants)", to: "store.pick(room)" },
    { id: "rotation-loop-share-stays-taken", from: "Effect.sync(() => count(tenantId, -1))", to: "Effect.void" }
  ]),
  ...faultsIn("src/store/FairPick.ts", { breaks: ["P6", "R-REF-14"], tests: [fair] }, [
    { id: "store-fair-all-is-one-tenants", from: "const sharesOfFree = 3", to: "const sharesOfFree = 300" },
    { id: "store-fair-passed-over-is-not-due", from: "        passed = true\n", to: "", breaks: ["R-REF-14"] },
    {
      id: "store-fair-given-now-does-not-count",
      from: "      ofTenants.set(row.tenantId, ofTenant(row) + 1)\n",
      to: ""
    }
  ]),
  ...faultsIn(
    "src/store/maria/DuePick.ts",
    { breaks: ["P6", "R-REF-14"], tests: ["test/integration/store/MariaRefreshStore.test.ts"] },
    [
      {
        id: "store-due-without-shares",
        from: "await roomsOf(session, seen), limit, underWay)",
        to: "await roomsOf(session, seen), limit)"
      },
      {
        id: "store-due-backlog-without-shares",
        from: "rooms, limit, underWay)",
        to: "rooms, limit)",
        tests: ["test/integration/store/DueShares.test.ts"]
      }
    ]
  ),
  ...faultsIn("src/rotation/GrantExchange.ts", { breaks: ["R-REF-22"], tests: [`${refresher}#thirty times`] }, [
    { id: "rotation-refresh-given-back-once-more", from: "tries > 1", to: "tries > 0" }
  ]),
  ...faultsIn("src/rotation/RevokedGrants.ts", { breaks: ["R-REF-17"], tests: [refresher] }, [
    {
      id: "rotation-revocation-waits-for-the-dead-for-ever",
      from: "standing.now < at + timing.doubtMs && versions",
      to: "versions"
    },
    {
      id: "rotation-revocation-beside-an-exchange",
      from: "(claim === null ? open : [...open, claim])",
      to: "open"
    },
    {
      id: "rotation-revocation-of-another-providers",
      from: "if (giver !== null && !Life.isSameProvider(giver, refresh)) continue",
      to: "",
      breaks: ["R-REF-28"]
    },
    {
      id: "rotation-revocation-of-the-answer-alone",
      from: "!found.some(({ spent }) => spent === held?.grant)",
      to: "found.length === 0"
    },
    {
      id: "rotation-revocation-once-done-is-done-again",
      from: 'if (refresh.atProvider !== "pending") return refresh.atProvider === "revoked" ? "revoked" : "failed"',
      to: ""
    }
  ]),
  ...faultsIn("src/rotation/HealthWatch.ts", { breaks: ["R-REF-16"], tests: [refresher] }, [
    {
      id: "rotation-look-by-a-service-that-is-off",
      from: "!serviceActive || known.provider.health === null",
      to: "known.provider.health === null"
    },
    {
      id: "rotation-look-at-a-provider-that-is-left-alone",
      from: "takeTurn(job, known, false)",
      to: "takeTurn(job, known, true)",
      breaks: ["R-REF-15"]
    }
  ]),
  ...faultsIn("src/rotation/RefreshAttempt.ts", { breaks: ["R-REF-15"], tests: [refresher] }, [
    {
      id: "rotation-refresh-reader-waits-for-no-circuit",
      from: "job.insists || hurries",
      to: "job.asked || hurries"
    },
    {
      id: "rotation-refresh-grace-waits-for-a-circuit",
      from: "takeTurn(job, known, job.insists || hurries)",
      to: "takeTurn(job, known, job.insists)"
    },
    {
      id: "rotation-refresh-hurries-when-the-grace-is-over",
      from: "now < graceUntil",
      to: "now >= graceUntil"
    },
    {
      id: "rotation-refresh-looks-at-no-token-while-it-has-a-time",
      from: "!asked && !refreshIsDue(credential.refresh, now) &&",
      to: "!refreshIsDue(credential.refresh, now) &&",
      breaks: ["R-REF-16"]
    }
  ]),
  ...faultsIn(
    "src/rotation/LiveRotator.ts",
    { breaks: ["P6", "R-ROT-5"], tests: ["test/unit/rotation/LiveRotator.test.ts"] },
    [
      { id: "rotation-rotator-of-one-tenant", from: "own >= ofTenantMax", to: "own > underWayMax" },
      { id: "rotation-rotator-all-at-once", from: "total >= underWayMax ||", to: "" },
      { id: "rotation-rotator-place-stays-taken", from: "          total--\n", to: "" }
    ]
  ),
  ...faultsIn(
    "src/actors/credentials/RotationSteps.ts",
    { breaks: ["R-ROT-4"], tests: ["test/unit/rotation/LiveRotator.test.ts"] },
    [
      {
        id: "credentials-rotation-asked-overlap-of-any-length",
        from: "promised && Math.min(promised, longest)",
        to: "promised"
      },
      {
        id: "credentials-rotation-usual-overlap-of-any-length",
        from: "Math.min(request.overlapMs, longest)",
        to: "request.overlapMs"
      }
    ]
  ),
  ...faultsIn("src/nats/StreamPublish.ts", { breaks: ["P6"], tests: ["test/unit/nats/StreamPublish.test.ts"] }, [
    { id: "nats-publish-chains-are-kept", from: "            chains.delete(chain)\n", to: "" }
  ]),
  ...faultsIn(
    "src/actors/tenant/UseRecorder.ts",
    { breaks: ["R-TOK-3"], tests: ["test/unit/actors/tenant/UseRecorder.test.ts"] },
    [{ id: "tenant-uses-a-single-one-is-left", from: "() => count > 0)", to: "() => count > 1)" }]
  ),
  ...faultsIn(
    "src/actors/audit/Sweeps.ts",
    { breaks: ["P8", "R-SEC-13"], tests: ["test/unit/actors/audit/becameOf.test.ts"] },
    [
      {
        id: "audit-sweep-unknown-end-is-written",
        from: '    default:\n      return "not known"',
        to: '    default:\n      return "written"'
      },
      {
        id: "audit-sweep-unknown-end-is-counted-again",
        from: '    default:\n      return "not known"',
        to: '    default:\n      return "not written"'
      }
    ]
  ),
  ...faultsIn(
    "src/crypto/LiveTenantKeys.ts",
    { breaks: ["P9", "R-SEC-4"], tests: ["test/unit/crypto/LiveTenantKeys.test.ts"] },
    [
      { id: "crypto-tenant-keys-a-moment-too-old", from: "present.ageMs >= Dur", to: "present.ageMs > Dur" },
      {
        id: "crypto-tenant-keys-last-one-of-a-block",
        survives:
          "it is sealed with one that is counted, and the next one takes a block: one look more for each block, and no record beyond the count",
        from: "held.usesLeft > 1 ||",
        to: "held.usesLeft > 0 ||"
      }
    ]
  )
]
