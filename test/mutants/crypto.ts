/** Faults in `src/crypto`: keys, sealed records, tags of rows. */
import { faultsIn, type Mutant } from "./Mutant.ts"

const unit = "test/unit/crypto"
const keyring = `${unit}/LiveKeyring.test.ts`
const rotation = `${unit}/KeyRotation.test.ts`
const pages = `${unit}/MovePages.test.ts`

export const crypto: ReadonlyArray<Mutant> = [
  ...faultsIn("src/crypto/Hmac.ts", { breaks: ["P5", "R-SEC-1"], tests: [`${unit}/SealedRecord.test.ts`] }, [
    {
      id: "crypto-hmac-leaves-what-it-hashed",
      from: "  into.fill(0, into === inner ? blockLength : 0, length)\n",
      to: ""
    },
    {
      id: "crypto-hmac-pieces-on-top-of-each-other",
      from: "    at += piece.byteLength\n",
      to: "    at += Math.min(piece.byteLength, 16)\n"
    }
  ]),
  ...faultsIn("src/crypto/SealedRecord.ts", { breaks: ["P5", "R-SEC-1"], tests: [`${unit}/SealedRecord.test.ts`] }, [
    { id: "crypto-record-place-not-bound", from: 'data.write(aad, headerLength, "utf8")', to: "aad.length" },
    {
      id: "crypto-record-header-not-bound",
      from: "  data.set(header, 0)\n",
      to: "  data.set(header.subarray(0, 0), 0)\n  data.fill(0, 0, headerLength)\n"
    },
    {
      id: "crypto-record-of-another-key-is-opened",
      from: "if (record[at] !== header[at]) return false",
      to: "if (record[at] !== header[at] && at === 0) return false"
    },
    {
      id: "crypto-record-long-place-is-cut",
      from: "bytesMax <= placeRoom ? dataRoom : Buffer.allocUnsafe(headerLength + bytesMax)",
      to: "bytesMax >= 0 ? dataRoom : Buffer.allocUnsafe(headerLength + bytesMax)"
    },
    {
      id: "crypto-record-nonce-without-place",
      from: "[random, lengthRoom, data, plaintext]",
      to: "[random, lengthRoom, plaintext]"
    },
    {
      id: "crypto-record-nonce-without-text",
      from: "[random, lengthRoom, data, plaintext]",
      to: "[random, lengthRoom, data]"
    },
    {
      id: "crypto-record-key-without-limit",
      from: "if (key.uses >= usesMax) throw",
      to: "if (key.uses > 2 * usesMax) throw",
      breaks: ["P9"]
    }
  ]),
  ...faultsIn("src/crypto/AuditKeyLink.ts", { breaks: ["P8", "R-AUD-11"], tests: [`${unit}/AuditKeyLink.test.ts`] }, [
    {
      id: "crypto-audit-link-of-a-key-of-the-same-name",
      from: "if (link === undefined || link.public_key !== text) break",
      to: "if (link === undefined) break"
    }
  ]),
  ...faultsIn("src/crypto/RowTags.ts", { breaks: ["R-SEC-30"], tests: [`${unit}/RowTags.test.ts`] }, [
    { id: "crypto-tags-population-left-out", from: "    one.population,\n", to: "" },
    { id: "crypto-tags-consumers-left-out", from: "    credential.allowedConsumers,\n", to: "" },
    { id: "crypto-tags-secret-version-left-out", from: "    credential.secretVersion,\n", to: "" },
    {
      id: "crypto-tags-token-status-left-out",
      from: "${cacheKey} ${token.status} ${token.version}",
      to: "${cacheKey} ${token.version}"
    },
    {
      id: "crypto-tags-token-overlap-left-out",
      from: "${expiresAt} ${overlapEndsAt} ${endedBy}",
      to: "${expiresAt} ${overlapEndsAt === null} ${endedBy}"
    },
    {
      id: "crypto-tags-password-left-out",
      from: "    passwordHash,\n    status,",
      to: "    passwordHash === null,\n    status,"
    },
    { id: "crypto-tags-retention-left-out", from: "    retentionMs,\n", to: "    retentionMs === null,\n" },
    { id: "crypto-tags-provider-definition-left-out", from: "    entry.definition,\n", to: "" },
    { id: "crypto-tags-names-run-together", from: "`${part.length}:${part}`", to: "part" }
  ]),
  ...faultsIn("src/crypto/UsableKeys.ts", { breaks: ["R-SEC-30"], tests: [keyring] }, [
    {
      id: "crypto-keys-nobodys-key-says-which-to-write-with",
      from: "        continue\n      }\n      materials.set(key.keyId, material)",
      to: "      } else materials.set(key.keyId, material)"
    },
    {
      id: "crypto-keys-opened-at-each-look",
      from: "if (before?.openedPlaces.has(place) !== true) {",
      to: "if (before?.openedPlaces.has(place) !== null) {"
    },
    {
      id: "crypto-keys-opened-in-vain-stay-in-memory",
      from: "for (const material of materials.values()) material.fill(0)",
      to: "for (const material of materials.values()) material.fill(1)",
      breaks: ["P5"]
    },
    {
      id: "crypto-keys-moved-key-is-the-one-that-opened",
      from: "const place = ServiceKeys.placeOf(key)",
      to: 'const place = ServiceKeys.placeOf({ ...key, purpose: "seal" })'
    }
  ]),
  ...faultsIn(
    "src/crypto/ReplicaSeal.ts",
    { breaks: ["R-SEC-30"], tests: ["test/integration/service/sharedRows.test.ts"] },
    [
      {
        id: "crypto-seal-nobodys-key-ends-the-start",
        from: "    ServiceKeys.openUnlessNobodys\n",
        to: "    (key) => Effect.map(ServiceKeys.open(key), ({ material }) => material)\n"
      }
    ]
  ),
  ...faultsIn("src/crypto/LiveKeyring.ts", { breaks: ["P9", "R-SEC-17"], tests: [keyring] }, [
    {
      id: "crypto-keyring-current-by-one-clock",
      from: "monotonicMs(clock) - now.readAtMonotonicMs < currentForMs &&",
      to: "monotonicMs(clock) - now.readAtMonotonicMs < currentForMs ||"
    },
    {
      id: "crypto-keyring-names-one-key-of-several",
      from: "hashKeyIds: () => now.hashIds,",
      to: "hashKeyIds: () => now.hashIds.slice(0, 1),"
    },
    {
      id: "crypto-keyring-writes-with-the-new-key-at-once",
      from: "(others.length === 0 || active.ageMs >= activationMs)",
      to: "(others.length === 0 || active.ageMs >= 0)"
    },
    {
      id: "crypto-keyring-retired-key-is-used",
      from: 'key.tenantId === null && key.state !== "retired" && purposes',
      to: "key.tenantId === null && purposes"
    },
    {
      id: "crypto-keyring-uses-are-not-told",
      from: "Effect.andThen(rotation.addUses(keyId, since), isTold)",
      to: "Effect.andThen(rotation.addUses(keyId, 0), isTold)"
    },
    {
      id: "crypto-keyring-uses-stand-before-the-keys",
      from: "const reload = Effect.suspend(() => openAll(now)).pipe(",
      to: "const reload = Effect.andThen(\n    tellUses,\n    Effect.suspend(() => openAll(now))\n  ).pipe("
    },
    {
      id: "crypto-keyring-uses-told-before-they-are",
      from: "Effect.andThen(rotation.addUses(keyId, since), isTold)",
      to: "Effect.andThen(isTold, rotation.addUses(keyId, since))"
    },
    {
      id: "crypto-keyring-tag-of-another-length",
      from: "      tag.byteLength === tagLength &&\n      timingSafeEqual(tag, hmac(now.rowTagWith, text).subarray(0, tagLength))",
      to: "      tag.byteLength <= tagLength &&\n      timingSafeEqual(tag, hmac(now.rowTagWith, text).subarray(0, tag.byteLength))",
      breaks: ["R-SEC-30"]
    },
    {
      id: "crypto-keyring-parts-run-together",
      from: "hmac.update(lengthPrefix(bytes.byteLength)).update(bytes)",
      to: "hmac.update(lengthPrefix(0)).update(bytes)",
      breaks: ["R-BUS-5"]
    },
    {
      id: "crypto-keyring-new-key-is-not-fetched",
      from: "if (keyId !== null && key === undefined) Latch.openUnsafe(wanted)",
      to: "if (keyId === null && key !== undefined) Latch.openUnsafe(wanted)"
    },
    {
      id: "crypto-keyring-old-hash-keys-not-wiped",
      survives:
        "what stays are bytes in memory that no code reads any more: only a look into the process would find them",
      from: "if (before !== opened.hashKeys) before.wipe()",
      to: "if (before === opened.hashKeys) before.hash",
      breaks: ["P5"]
    }
  ]),
  ...faultsIn(
    "src/crypto/LiveTenantKeys.ts",
    { breaks: ["P9", "R-SEC-4"], tests: [`${unit}/LiveTenantKeys.test.ts`] },
    [
      {
        id: "crypto-tenant-keys-any-age",
        from: "if (present.ageMs >= Duration.toMillis(config.tenantKeyAgeMax)) return false",
        to: "if (present.ageMs > 2 * Duration.toMillis(config.tenantKeyAgeMax)) return false"
      },
      {
        id: "crypto-tenant-keys-one-block-too-many",
        from: "if (uses > config.tenantKeyUsesMax) return false",
        to: "if (uses > config.tenantKeyUsesMax + usesBlock) return false"
      },
      {
        id: "crypto-tenant-keys-count-of-many-taken-in-blocks",
        from: "held.usesLeft)) yield* takeUses(held, records)",
        to: "held.usesLeft)) yield* takeUses(held)"
      },
      {
        id: "crypto-tenant-keys-one-record-without-a-count",
        from: "if (held.usesLeft > 0) return held",
        to: "if (held.usesLeft > -1) return held"
      },
      {
        id: "crypto-tenant-keys-of-many-sealed-without-a-count",
        from: "held.usesLeft += taken",
        to: "held.usesLeft += 2 * taken"
      },
      {
        id: "crypto-tenant-keys-of-another-purpose",
        survives:
          "a key of another purpose is no tenant's, and is refused by that as soon as it is open: a second fence",
        from: 'stored === undefined || stored.purpose !== "tenant-data" || stored',
        to: "stored === undefined || stored",
        breaks: ["P5", "R-SEC-1"]
      },
      { id: "crypto-tenant-keys-uses-not-taken", from: "          held.usesLeft -= 1\n", to: "" },
      {
        id: "crypto-tenant-keys-gone-stay-warm",
        from: "held.filter((keyId) => !usable.has(keyId))",
        to: 'held.filter((keyId) => !usable.has(keyId) && keyId === "")',
        breaks: ["R-SEC-45"]
      },
      {
        id: "crypto-tenant-keys-place-without-version",
        from: '["cm-secret-1", tenantId, place.credentialId, place.version, place.purpose]',
        to: '["cm-secret-1", tenantId, place.credentialId, place.purpose]',
        breaks: ["R-SEC-1"]
      },
      {
        id: "crypto-tenant-keys-failure-is-kept",
        from: "Exit.isSuccess(exit) ? time : Duration.zero",
        to: "Exit.isSuccess(exit) ? time : time",
        breaks: ["P10"]
      }
    ]
  ),
  ...faultsIn(
    "src/crypto/RotationPlan.ts",
    { breaks: ["P9", "R-SEC-17"], tests: [rotation, "test/unit/actors/keys/LiveKeys.test.ts"] },
    [
      {
        id: "crypto-plan-retired-after-one-activation",
        from: "export const graceFactor = 2",
        to: "export const graceFactor = 1",
        tests: [`${unit}/RotationPlan.test.ts`, "test/unit/actors/keys/LiveKeys.test.ts", rotation]
      },
      {
        id: "crypto-plan-settled-at-once",
        from: "active.ageMs >= activationMs\n\n",
        to: "active.ageMs >= 0 * activationMs\n\n"
      },
      {
        id: "crypto-plan-faster-than-allowed",
        from: "Math.ceil((moved * 1000) / rowsPerSecond - tookMs)",
        to: "Math.ceil((moved * 1000) / rowsPerSecond - 2 * tookMs)",
        breaks: ["R-SEC-4"]
      },
      {
        id: "crypto-plan-compared-key-goes",
        from: 'return "compared"',
        to: "return null",
        tests: [`${unit}/FingerprintRotation.test.ts`]
      }
    ]
  ),
  ...faultsIn("src/crypto/KeyMover.ts", { breaks: ["R-SEC-4", "R-SEC-17"], tests: [rotation] }, [
    {
      id: "crypto-mover-changed-row-is-tagged-anew",
      from: "rowHolds(row.mac, RowTags.ofToken(row)) ? hashMover",
      to: "row.hash.byteLength > 0 ? hashMover",
      breaks: ["R-SEC-30"]
    },
    {
      id: "crypto-mover-spoiled-key-stops-wrapping",
      from: '"MasterKeyError" && !error.isRetryable',
      to: '"MasterKeyError" && error.isRetryable'
    },
    {
      id: "crypto-mover-defect-ends-the-turn",
      from: "Effect.catchDefect((defect) =>",
      to: "Effect.catchDefect((defect) => defect !== 0 ? Effect.die(defect) :"
    },
    {
      id: "crypto-mover-moves-before-all-know",
      from: "if (active === undefined || !RotationPlan.isSettled(active, activationMs)) return\n",
      to: "if (active === undefined || !RotationPlan.isSettled(active, 0 * activationMs)) return\n"
    },
    {
      id: "crypto-mover-keeps-the-thread",
      from: "made % pieceRows === 0",
      to: "made % pageMax === 0",
      breaks: ["P10"]
    },
    {
      id: "crypto-mover-ends-behind-a-page-of-long-records",
      from: "pageOf(rows, isSealedPageFull(rows, pageRows))",
      to: "pageOf(rows)"
    },
    {
      id: "crypto-mover-asks-without-a-look",
      from: "!(yield* isPerhapsOurs) || !(yield* claim)",
      to: "!(yield* claim)",
      breaks: ["P10"]
    },
    {
      id: "crypto-mover-claims-once",
      file: "src/crypto/MovePages.ts",
      from: "      if (!(yield* claimed)) return\n      const before",
      to: "      const before"
    },
    {
      id: "crypto-mover-renews-when-it-is-too-late",
      file: "src/crypto/MovePages.ts",
      from: "const renewAfter = 1 / 3",
      to: "const renewAfter = 3"
    },
    {
      id: "crypto-mover-walks-once",
      file: "src/crypto/MovePages.ts",
      from: "if (next === null && isIdle) return",
      to: "if (next === null) return"
    },
    {
      id: "crypto-mover-goes-on-behind-the-end",
      file: "src/crypto/MovePages.ts",
      from: "const upcoming = page.isEnd ? null : ahead",
      to: "const upcoming = ahead",
      tests: [pages]
    },
    {
      id: "crypto-mover-makes-nothing-while-it-writes",
      file: "src/crypto/MovePages.ts",
      from: "{ concurrency: 3 }",
      to: "{ concurrency: 1 }",
      breaks: ["P10"],
      tests: [pages]
    },
    {
      id: "crypto-mover-keeps-no-pace",
      file: "src/crypto/MovePages.ts",
      from: "if (pauseMs > 0) yield* Effect.sleep",
      to: "if (pauseMs < 0) yield* Effect.sleep",
      breaks: ["P10"],
      tests: [pages]
    },
    {
      id: "crypto-mover-writes-what-was-made-before-the-claim-went",
      file: "src/crypto/MovePages.ts",
      from: "      if (!(yield* claimed)) return\n      const before",
      to: "      if (!(yield* claimed) && isIdle) return\n      const before",
      breaks: ["P10"],
      tests: [pages, rotation]
    },
    {
      id: "crypto-mover-seals-more-than-it-took",
      from: "sealer.tenantId !== tenantId || sealer.isSpent()",
      to: "sealer.tenantId !== tenantId",
      breaks: ["P9"]
    },
    {
      id: "crypto-mover-seals-again-with-the-old-key",
      from: "if (sealer.keyId === from.keyId) {",
      to: "if (sealer.keyId === row.credentialId) {"
    },
    {
      id: "crypto-mover-worn-key-goes-on",
      from: "(yield* store.addUses(active.keyId, 0)) < sealUsesMax",
      to: "(yield* store.addUses(active.keyId, 0)) < 2 * sealUsesMax",
      breaks: ["P9"]
    },
    {
      id: "crypto-mover-needed-key-stays-retired",
      from: "const revived = yield* store.reviveNeeded",
      to: "const revived = 0"
    },
    {
      id: "crypto-mover-unopenable-is-tried-for-ever",
      from: "newSealed: made.sealed })\n        }\n        return { moves, givenUp: given.size - givenBefore,",
      to: "newSealed: made.sealed })\n        }\n        return { moves, givenUp: given.size + 0 * givenBefore,"
    }
  ]),
  ...faultsIn("src/crypto/KeyFile.ts", { breaks: ["R-SEC-3"], tests: [`${unit}/LocalMasterKey.test.ts`] }, [
    { id: "crypto-file-readable-by-the-group", from: "0o037 : 0o077)", to: "0o037 : 0o007)" },
    { id: "crypto-file-written-by-roots-group", from: "0o037 : 0o077)", to: "0o007 : 0o077)" },
    { id: "crypto-file-of-anybody-as-roots", from: "file.uid === 0 && ownUid !== 0", to: "ownUid !== 0" },
    { id: "crypto-file-roots-own-as-mounted", from: "file.uid === 0 && ownUid !== 0", to: "file.uid === 0" },
    { id: "crypto-file-mounted-is-refused", from: "{ mode, uid }, process.getuid?.()", to: "{ mode, uid }, 0" },
    {
      id: "crypto-file-one-name-for-two-keys",
      from: "if (new Set(keys.map(({ id }) => id)).size !== keys.length) return null",
      to: "if (new Set(keys.map(({ id }) => id)).size > keys.length) return null"
    },
    {
      id: "crypto-file-oldest-key-is-active",
      from: "a.createdDate < b.createdDate ? 1 : a.createdDate > b.createdDate ? -1 : 0",
      to: "a.createdDate < b.createdDate ? -1 : a.createdDate > b.createdDate ? 1 : 0"
    },
    {
      id: "crypto-file-made-for-everybody",
      from: 'withDescriptor(beside, "wx", 0o600',
      to: 'withDescriptor(beside, "wx", 0o644'
    }
  ]),
  ...faultsIn("src/crypto/LocalMasterKey.ts", { breaks: ["R-SEC-3"], tests: [`${unit}/LocalMasterKey.test.ts`] }, [
    {
      id: "crypto-master-new-file-for-old-data",
      from: "known.length > 0 || (yield* store.hasData.pipe(asked))",
      to: "known.length > 0 && (yield* store.hasData.pipe(asked))"
    },
    {
      id: "crypto-master-place-not-bound",
      from: "const placeOf = (place: string): string => `cm-wrapped-key-1/${place}`",
      to: "const placeOf = (place: string): string => `cm-wrapped-key-1/${place.length > 0}`",
      breaks: ["R-SEC-1"]
    }
  ]),
  ...faultsIn(
    "src/crypto/ServiceKeys.ts",
    { breaks: ["R-SEC-3"], tests: [`${unit}/ServiceKeys.test.ts`, `${unit}/LocalMasterKey.test.ts`, keyring] },
    [
      {
        id: "crypto-service-same-name-other-key",
        from: "same !== undefined && same.fingerprint !== fingerprint",
        to: "same !== undefined && same.fingerprint.length !== fingerprint.length"
      },
      {
        id: "crypto-service-data-without-a-name",
        from: "return hasData && known.length === 0",
        to: "return hasData && known.length < 0"
      },
      {
        id: "crypto-service-two-candidates-in-use",
        from: "return active.keyId === candidate.stored.keyId ? candidate : yield* open(active)",
        to: "return active.keyId !== candidate.stored.keyId ? candidate : yield* open(active)",
        breaks: ["P9", "R-SEC-4"]
      },
      {
        id: "crypto-service-needed-key-is-nobodys",
        from: "countRows(keyId, 1)) === 0",
        to: "countRows(keyId, 1)) <= 1",
        breaks: ["P1", "R-SEC-30"]
      },
      {
        id: "crypto-keys-nothing-is-found-by-a-fingerprint-key",
        file: "src/crypto/KeyRotation.ts",
        from: 'key.purpose === "fingerprint" &&',
        to: 'key.purpose === "row-tag" &&',
        breaks: ["R-SEC-47"],
        tests: ["test/unit/crypto/FingerprintRotation.test.ts"]
      },
      {
        id: "crypto-keys-retired-fingerprint-key-is-needed",
        file: "src/crypto/KeyRotation.ts",
        from: ' && key.state !== "retired"\n',
        to: "\n",
        breaks: ["R-SEC-47"],
        tests: ["test/unit/crypto/FingerprintRotation.test.ts"]
      },
      {
        id: "crypto-keys-remembered-after-it-was-followed",
        file: "src/crypto/RotationPlan.ts",
        from: "followedSince(key, ofService) - activationMs * graceFactor)",
        to: "activationMs * graceFactor - followedSince(key, ofService))",
        breaks: ["R-SEC-47"],
        tests: ["test/unit/crypto/FingerprintRotation.test.ts"]
      },
      {
        id: "crypto-service-active-key-is-nobodys",
        from: 'if (state === "active" || !isNotOurs',
        to: 'if (state === "retired" || !isNotOurs',
        breaks: ["P9", "R-SEC-30"]
      },
      {
        id: "crypto-service-key-of-a-master-not-at-hand-is-nobodys",
        from: 'if (reason === "UnknownKey" && noted.some(',
        to: 'if (reason === "Malformed" && noted.some(',
        breaks: ["P9", "R-SEC-30"]
      },
      {
        id: "crypto-service-key-of-no-master-ends-the-start",
        from: 'reason === "NotOpenable" || reason === "UnknownKey"\n',
        to: 'reason === "NotOpenable"\n',
        breaks: ["R-SEC-30"]
      },
      {
        id: "crypto-service-anybody-says-what-is-needed",
        from: '(noted.has(masterKeyId) || (state === "active" && tenantId === null))',
        to: '(!noted.has("") || (state === "active" && tenantId === null))',
        breaks: ["R-SEC-30"]
      }
    ]
  ),
  ...faultsIn("src/crypto/Password.ts", { breaks: ["R-CLI-6", "R-CLI-2"], tests: [`${unit}/Password.test.ts`] }, [
    {
      id: "crypto-password-places-stay-taken",
      from: "              waiting -= 1\n",
      to: "              waiting -= 0\n",
      breaks: ["R-CLI-8"]
    },
    {
      id: "crypto-password-measured-in-the-start",
      from: "        Effect.delay(firstMeasuredAfter),\n",
      to: "",
      breaks: ["R-RUN-1"]
    },
    {
      id: "crypto-password-cheaper-hash",
      from: "passes: 2, parallelism: 1 } as const",
      to: "passes: 1, parallelism: 1 } as const"
    },
    {
      id: "crypto-password-any-memory",
      from: "said.memory > costMax.memory || ",
      to: "",
      breaks: ["P6", "R-CLI-8"]
    },
    {
      id: "crypto-password-any-passes",
      from: "said.passes > costMax.passes || ",
      to: "",
      breaks: ["P6", "R-CLI-8"]
    },
    { id: "crypto-password-one-salt", from: "const saltBytes = 16", to: "const saltBytes = 8" }
  ]),
  ...faultsIn("src/crypto/HashKeys.ts", { breaks: ["R-SEC-17"], tests: [`${unit}/HashKeys.test.ts`, rotation] }, [
    {
      id: "crypto-hash-wrong-order-of-layers",
      from: "for (const at of rest) digest",
      to: "for (const at of rest.toReversed()) digest"
    },
    {
      id: "crypto-hash-one-layer-short",
      from: "at < next.layers.byteLength; at += layerLength",
      to: "at + layerLength < next.layers.byteLength; at += layerLength"
    },
    {
      id: "crypto-hash-other-branch-moves",
      from: "const canFollow = startsWith(next.layers, old.layers) && (",
      to: "const canFollow = next.layers.byteLength >= old.layers.byteLength && ("
    },
    {
      id: "crypto-hash-more-layers-than-there-may-be",
      from: "bytes > layersMax * layerLength",
      to: "bytes > 2 * layersMax * layerLength"
    },
    {
      id: "crypto-hash-old-cover-stays-on",
      from: "let digest = oldCover === null ? hash : oldCover.takeOff(hash)",
      to: "let digest = oldCover === null || hash.length > 0 ? hash : oldCover.takeOff(hash)"
    },
    {
      id: "crypto-hash-layer-on-a-cover",
      from: "(sameLayers ? next.cover !== null : old.cover === null)",
      to: "(sameLayers ? next.cover !== null : next.layers.byteLength > 0)"
    },
    {
      id: "crypto-hash-new-cover-forgotten",
      breaks: ["R-SEC-17", "R-SEC-46"],
      from: "return nextCover === null ? digest : nextCover.put(digest)",
      to: "return nextCover === null || digest.length > 0 ? digest : nextCover.put(digest)"
    },
    {
      id: "crypto-hash-key-left-in-memory",
      from: "  for (const { material } of keys) material.fill(0)\n",
      to: "",
      breaks: ["P5"]
    }
  ]),
  ...faultsIn("src/crypto/CurveBox.ts", { breaks: ["R-SEC-11"], tests: [`${unit}/CurveBox.test.ts`] }, [
    {
      id: "crypto-box-low-order-key",
      from: "return sharesSecret(point) ? null",
      to: "return sharesSecret(point) || point.length > 0 ? null"
    },
    {
      id: "crypto-box-not-canonical",
      from: "if (!isCanonical(point)) return",
      to: "if (!isCanonical(point) && point.length === 0) return"
    }
  ]),
  ...faultsIn(
    "src/crypto/AuditSigner.ts",
    {
      breaks: ["P8", "R-AUD-3"],
      tests: [
        "test/unit/crypto/AuditSigner.test.ts",
        "test/unit/actors/audit/Forgery.test.ts",
        "test/unit/actors/audit/Verification.test.ts"
      ]
    },
    [
      {
        id: "crypto-signer-any-signature",
        from: "return verify(null, bytes, key.publicKey, signature)",
        to: "return verify(null, bytes, key.publicKey, signature) || signature.length === 64"
      },
      {
        id: "crypto-signer-followed-key-signs-on",
        from: "if (key === undefined || (at !== null && key.until !== null && at > key.until)) return false",
        to: "if (key === undefined) return false"
      },
      {
        id: "crypto-signer-follower-need-not-be-signed",
        breaks: ["P8", "R-AUD-3", "R-AUD-11"],
        from: 'if (isTrue) return yield* refused(firstId, "is not signed by the one before it")\n',
        to: ""
      },
      {
        id: "crypto-signer-retired-key-was-none",
        breaks: ["P8", "R-AUD-11"],
        from: "|| (wrapped.byteLength > 0 && (yield* opened(key)) !== null)",
        to: "|| (yield* Effect.succeed(false))"
      },
      {
        id: "crypto-signer-erased-row-ends-a-start",
        breaks: ["P10", "R-SEC-30"],
        from: "if (isTrue) return yield*",
        to: "if (isTrue || wrapped.byteLength === 0) return yield*"
      },
      {
        id: "crypto-signer-row-that-is-no-key-ends-a-start",
        breaks: ["P10", "R-SEC-30"],
        from: "    ServiceKeys.openUnlessNobodys(key).pipe(\n      Effect.map((material) => (material === null ? null :",
        to: "    ServiceKeys.open(key).pipe(\n      Effect.map(({ material }) => (material === null ? null :"
      }
    ]
  ),
  ...faultsIn("src/crypto/MoveProgress.ts", { breaks: ["R-SEC-4"], tests: [`${unit}/MoveProgress.test.ts`] }, [
    {
      id: "crypto-progress-over-is-not-ended",
      from: "if (mark !== undefined && !mark.isOver) yield* store.endMark",
      to: "if (mark !== undefined && mark.isOver) yield* store.endMark"
    }
  ]),
  ...faultsIn("src/crypto/FreshRandom.ts", { breaks: ["R-SEC-1"], tests: ["test/unit/crypto/FreshRandom.test.ts"] }, [
    { id: "crypto-fresh-first-characters-likelier", from: "      if (byte >= end) continue\n", to: "" },
    {
      id: "crypto-fresh-same-bytes-for-the-next",
      from: "    texts.push(text)\n",
      to: "    texts.push(text)\n    at = 0\n"
    },
    {
      id: "crypto-fresh-draw-outlives-its-turn",
      from: "  if (draws === 0) queueMicrotask(forget)\n",
      to: ""
    },
    {
      id: "crypto-fresh-each-text-a-draw",
      from: "draws === 0 ? Math.min(texts, textsOfDraw) : textsOfDraw",
      to: "Math.min(texts, textsOfDraw)"
    }
  ])
]
