/** Faults in `src/schema`: bytes and JSON to domain and back. */
import { faultsIn, type Mutant } from "./Mutant.ts"

const unit = "test/unit/schema"

export const schema: ReadonlyArray<Mutant> = [
  ...faultsIn(
    "src/schema/PlainItems.ts",
    { breaks: ["R-INP-4", "R-INP-5", "R-TOK-2"], tests: [`${unit}/plainItems.test.ts`] },
    [
      {
        id: "schema-plain-escapes-as-they-stand",
        from: "if (byte < space || byte >= 0x80 || byte === backslash) return false",
        to: "if (byte < space || byte >= 0x80) return false"
      },
      {
        id: "schema-plain-controls",
        from: "if (byte < space || byte >= 0x80 || byte === backslash) return false",
        to: "if (byte >= 0x80 || byte === backslash) return false"
      },
      {
        id: "schema-plain-bytes-beyond-ascii",
        from: "if (byte < space || byte >= 0x80 || byte === backslash) return false",
        to: "if (byte < space || byte === backslash) return false"
      },
      {
        id: "schema-plain-one-field-twice",
        from: "    if (at === seen) return false\n",
        to: "    if (at < 0) return false\n"
      },
      {
        id: "schema-plain-texts-of-any-length",
        from: " || reader.end - reader.start > tokenValueLengthMax) return false",
        to: ") return false"
      },
      {
        id: "schema-plain-batches-of-any-size",
        from: "const most = Math.min(batchItemsMax, Math.ceil(payload.length / itemBytesMin))",
        to: "const most = Math.max(batchItemsMax, Math.ceil(payload.length / itemBytesMin))"
      },
      {
        id: "schema-plain-bytes-behind",
        from: " || !reader.isAtEnd()) return null",
        to: ") return null"
      },
      {
        id: "schema-plain-key-that-begins-alike",
        from: "    if (this.end - this.start !== text.length) return false\n",
        to: ""
      },
      {
        id: "schema-plain-fields-in-one-order",
        from: "reader.isText(appNameKey) ? appNameAt : reader.isText(tokenKey) ? tokenAt : seen",
        to: "reader.isText(appNameKey) ? appNameAt : reader.isText(tokenKey) && field > 0 ? tokenAt : seen"
      },
      {
        id: "schema-plain-lies-at-the-beginning",
        from: "Buffer.from(payload.buffer, payload.byteOffset, payload.length)",
        to: "Buffer.from(payload.buffer, 0, payload.length)"
      }
    ]
  ),
  ...faultsIn(
    "src/schema/VerdictsJson.ts",
    { breaks: ["R-TOK-2", "R-INP-5"], tests: [`${unit}/verdictsJson.test.ts`] },
    [
      {
        id: "schema-verdicts-ids-as-they-are",
        from: "if (byte < space || byte >= 0x80 || byte === quote || byte === backslash) return false",
        to: "if (byte < space || byte >= 0x80 || byte === quote) return false"
      },
      {
        id: "schema-verdicts-id-of-any-length",
        from: "    if (endpointIdBytes > endpointIdLengthMax) return false\n",
        to: ""
      },
      {
        id: "schema-verdicts-part-of-one-stays",
        from: "    if (!copyPlain(from, endpointIdStart, endpointIdBytes, bytes, endpointIdAt)) return false\n",
        to: "    this.used = endpointIdAt\n    if (!copyPlain(from, endpointIdStart, endpointIdBytes, bytes, endpointIdAt)) return false\n"
      },
      {
        id: "schema-verdicts-one-is-missing",
        from: "if (texts.length !== places.length) throw",
        to: "if (texts.length > places.length) throw"
      }
    ]
  ),
  ...faultsIn("src/schema/Field.ts", { breaks: ["R-INP-4"], tests: [`${unit}/limits.test.ts#code points`] }, [
    {
      id: "schema-field-length-in-units",
      from: "(text: string) => hasAtMost(text, maxLength), {",
      to: "(text: string) => text.length <= maxLength, {"
    }
  ]),
  ...faultsIn(
    "src/schema/AvroReader.ts",
    { breaks: ["R-INP-1", "R-BUS-1"], tests: [`${unit}/AvroReader.test.ts`, `${unit}/wire.test.ts`] },
    [
      {
        id: "schema-avro-longer-than-the-message",
        from: "length > BigInt(this.bytes.length - this.position)) return malformed\n    return",
        to: "length > BigInt(this.bytes.length)) return malformed\n    return"
      },
      {
        id: "schema-avro-count-unchecked",
        from: "      if (items > BigInt((end ?? this.bytes.length) - this.position)) return malformed\n",
        to: "      if (items < 0n) return malformed\n"
      },
      {
        id: "schema-avro-block-of-another-size",
        from: "      if (end !== null && this.position !== end) return malformed\n",
        to: ""
      },
      {
        id: "schema-avro-any-branch",
        from: "if (branch !== 0n && branch !== 1n) return malformed",
        to: "if (branch !== 0n && branch === malformed) return malformed"
      },
      {
        id: "schema-avro-more-than-64-bits",
        from: "if (count === longBytesMax - 1 && byte > 1) return malformed",
        to: "if (count === longBytesMax - 1 && byte > 3) return malformed"
      },
      {
        id: "schema-avro-int-of-any-size",
        from: "|| value > BigInt(intMax) ||",
        to: "|| value > 2n * BigInt(intMax) ||"
      }
    ]
  ),
  ...faultsIn(
    "src/schema/Avro.ts",
    { breaks: ["R-BUS-1"], tests: [`${unit}/AvroReader.test.ts`, `${unit}/wire.test.ts`] },
    [
      {
        id: "schema-avro-bytes-behind-the-message",
        from: "return reader.isAtEnd() ? (value as Value<F>) : null",
        to: "return reader.isAtEnd() || bytes.length > 0 ? (value as Value<F>) : null"
      },
      {
        id: "schema-avro-long-correlation-id",
        from: "return id === malformed ? id : shortOrNone(id)",
        to: "return id",
        breaks: ["R-INP-2"]
      },
      {
        id: "schema-avro-long-correlation-id-is-sent",
        from: "Writer.text(shortOrNone(id))",
        to: "Writer.text(id)",
        breaks: ["R-INP-2", "R-EVT-6"],
        tests: ["test/unit/actors/tenant/EventWriter.test.ts"]
      }
    ]
  ),
  ...faultsIn("src/schema/EcapFrame.ts", { breaks: ["R-BUS-1", "R-INP-1"], tests: [`${unit}/EcapFrame.test.ts`] }, [
    {
      id: "schema-frame-bytes-behind",
      from: "return this.position === bytes.length\n",
      to: "return this.position <= bytes.length\n"
    },
    {
      id: "schema-frame-more-than-64-bits",
      from: "if (shift === 63 && byte > 1) return false",
      to: "if (shift === 63 && byte > 3) return false"
    },
    {
      id: "schema-frame-late-is-in-time",
      from: "this.timeout > 0 && now > this.timestamp + this.timeout",
      to: "this.timeout > 0 && now > this.timestamp + 2 * this.timeout",
      breaks: ["R-TOK-2"]
    },
    {
      id: "schema-frame-padded-length-is-canonical",
      from: "this.canonical = bytes[this.position - 1] !== 0",
      to: "this.canonical = true",
      breaks: ["P1", "R-INP-1"]
    },
    {
      id: "schema-frame-inexact-times",
      from: "isExact(timestampHigh) && isExact(this.high)",
      to: "isExact(timestampHigh) || isExact(this.high)",
      breaks: ["R-TOK-2"]
    },
    {
      id: "schema-frame-long-text-is-text",
      from: " && isText(bytes, frame.tokenStart, frame.tokenEnd)",
      to: ""
    }
  ]),
  ...faultsIn(
    "src/schema/JsonText.ts",
    { breaks: ["R-BUS-12"], tests: [`${unit}/jsonText.test.ts`, `${unit}/json.test.ts`] },
    [
      {
        id: "schema-json-key-twice",
        from: "return membersOf(value) === members\n",
        to: "return membersOf(value) <= members\n"
      },
      { id: "schema-json-one-deeper", from: "if (depth > depthMax) return", to: "if (depth > depthMax + 1) return" },
      { id: "schema-json-any-number-of-values", from: "if (values > valuesMax) return", to: "if (values < 0) return" },
      {
        id: "schema-json-key-with-a-backslash",
        from: "if (keyHoldsBackslash) return",
        to: "if (keyHoldsBackslash && members < 0) return"
      },
      {
        id: "schema-json-lone-surrogate-in-a-key",
        from: "if (holdsLoneSurrogate) flaw(",
        to: "if (holdsLoneSurrogate && members < 0) flaw(",
        breaks: ["R-INP-3"]
      },
      {
        id: "schema-json-lone-surrogate",
        from: "if (holdsLoneSurrogate && !isKey(bytes, stringEnd)) flaw(",
        to: "if (holdsLoneSurrogate && isKey(bytes, stringEnd)) flaw(",
        breaks: ["R-INP-3"]
      },
      {
        id: "schema-json-number-that-changes",
        from: 'if (!comesBack(textOf(bytes, start, at + 1) ?? "")) flaw(',
        to: 'if (!comesBack(textOf(bytes, start, at + 1) ?? "") && start < 0) flaw(',
        breaks: ["R-INP-3"]
      }
    ]
  ),
  ...faultsIn(
    "src/schema/JsonNumber.ts",
    { breaks: ["R-INP-3"], tests: [`${unit}/jsonText.test.ts`, `${unit}/json.test.ts`] },
    [
      {
        id: "schema-number-other-sign",
        from: " && written.isNegative === kept.isNegative",
        to: "",
        survives:
          "what is written and what comes back have one sign, but for a negative zero, which is refused before: a second fence"
      },
      { id: "schema-number-sixteen-digits", from: "const digitsSafe = 15", to: "const digitsSafe = 17" }
    ]
  ),
  ...faultsIn(
    "src/schema/Json.ts",
    { breaks: ["R-BUS-11"], tests: ["test/unit/protocols/strictRequests.test.ts", `${unit}/json.test.ts`] },
    [
      { id: "schema-json-unknown-fields", from: '{ onExcessProperty: "error" }', to: '{ onExcessProperty: "ignore" }' },
      {
        id: "schema-json-one-wrong-item-fails-all",
        from: "if (flaw !== undefined && judgesTexts !== true) return",
        to: "if (flaw !== undefined && judgesTexts !== true && at < 0) return",
        breaks: ["R-INP-5"],
        tests: ["test/unit/protocols/batches.test.ts", `${unit}/json.test.ts`]
      },
      {
        id: "schema-json-ill-formed-text-is-judged",
        from: "flaws.length === 0 ? value : withoutIllFormed(value)",
        to: "flaws.length >= 0 ? value : withoutIllFormed(value)",
        breaks: ["R-INP-3", "R-INP-5"],
        tests: [`${unit}/validationJson.test.ts`]
      },
      {
        id: "schema-json-empty-batch",
        from: "items.length >= 1 && items.length <= batchItemsMax",
        to: "items.length <= batchItemsMax",
        breaks: ["R-INP-5"],
        tests: ["test/unit/protocols/batches.test.ts", `${unit}/json.test.ts`]
      }
    ]
  ),
  ...faultsIn("src/schema/Cursor.ts", { breaks: ["R-BUS-13"], tests: ["test/unit/protocols/paging.test.ts"] }, [
    {
      id: "schema-cursor-any-checksum",
      from: "if (bytes.readUInt32BE(1) !== checksum(list, body)) return null",
      to: "if (bytes.readUInt32BE(1) !== checksum(list, body) && list.length < 0) return null"
    },
    {
      id: "schema-cursor-place-of-any-length",
      from: "place.length <= placeLengthMax",
      to: "place.length <= 100 * placeLengthMax",
      breaks: ["R-INP-4"]
    }
  ]),
  ...faultsIn(
    "src/schema/Timestamp.ts",
    { breaks: ["R-INP-5", "R-BUS-4"], tests: [`${unit}/json.test.ts`, `${unit}/limits.test.ts`] },
    [
      {
        id: "schema-date-of-another-time",
        from: "if (times[place] !== time) {",
        to: "if (Number.isNaN(times[place])) {"
      },
      {
        id: "schema-date-that-does-not-exist",
        from: "DateTime.formatIso(date.value).slice(0, 19) === text.slice(0, 19)",
        to: "DateTime.formatIso(date.value).slice(0, 4) === text.slice(0, 4)"
      }
    ]
  ),
  ...faultsIn(
    "src/schema/EcapReply.ts",
    {
      breaks: ["R-BUS-1", "R-TOK-2"],
      tests: [`${unit}/EcapFrame.test.ts`, "test/unit/actors/validation/LiveValidator.test.ts"]
    },
    [
      {
        id: "schema-reply-of-words-overwrites-the-last-one",
        from: "    this.used = end\n",
        to: "    this.used = start\n"
      },
      {
        id: "schema-reply-of-words-cut-off",
        from: "word << 2 < end;",
        to: "(word << 2) + 3 < end;"
      },
      { id: "schema-reply-overwrites-the-last-one", from: "    this.used = at\n", to: "    this.used = start\n" },
      {
        id: "schema-reply-old-time",
        from: "if (now !== this.time) this.setTime(now)\n    const bound",
        to: "if (this.time < 0) this.setTime(now)\n    const bound"
      },
      {
        id: "schema-reply-long-correlation-id",
        from: "if (correlationLength < 0x40) into[at++] = correlationLength << 1",
        to: "if (correlationLength <= 0x40) into[at++] = correlationLength << 1"
      },
      {
        id: "schema-reply-long-one-uses-up-the-slab",
        from: "if (correlationLength > correlationBytesMax) {\n      return",
        to: "if (correlationLength > slabBytes / 2) {\n      return",
        breaks: ["R-INP-2"]
      },
      {
        id: "schema-reply-of-words-long-one-is-cut-off",
        from: "new Uint8Array(tail.buffer, tail.byteOffset + tailWord * 4, tailLength)",
        to: "new Uint8Array(tail.buffer, tail.byteOffset + tailWord, tailLength)",
        breaks: ["R-INP-2"]
      },
      {
        id: "schema-reply-without-id-half-of-it-left",
        from: "response.subarray(at + length / 2)",
        to: "response.subarray(at + Math.min(length / 2, 0x1000))",
        breaks: ["R-INP-2"]
      }
    ]
  ),
  ...faultsIn("src/schema/TokenJson.ts", { breaks: ["R-INP-5"], tests: [`${unit}/validationJson.test.ts`] }, [
    {
      id: "schema-token-item-with-more-is-taken",
      from: 'for (const key in one) if (key !== "appName" && key !== "token") return undefined\n',
      to: ""
    },
    {
      id: "schema-token-item-ill-formed-has-no-verdict",
      from: "  quick: plainItem,\n  judgesTexts: true\n",
      to: "  quick: plainItem\n"
    },
    {
      id: "schema-token-item-too-long-is-taken",
      from: "appName.length > tokenValueLengthMax || token.length > tokenValueLengthMax",
      to: "appName.length > tokenValueLengthMax || token.length > 2 * tokenValueLengthMax"
    }
  ]),
  ...faultsIn("src/schema/ProviderJson.ts", { breaks: ["R-REF-7"], tests: ["test/unit/schema/limits.test.ts"] }, [
    {
      id: "schema-provider-looks-without-a-pause",
      from: "(durationMs(value) ?? 0) >= healthEveryMsMin",
      to: "(durationMs(value) ?? 0) >= 0"
    },
    {
      id: "schema-provider-key-in-units",
      from: "return hasAtMost(text, keyLengthMax) ||",
      to: "return text.length <= keyLengthMax ||",
      breaks: ["R-INP-4"]
    },
    { id: "schema-provider-lasts-no-time", from: "durationMs(value) !== 0", to: "durationMs(value) !== -1" },
    {
      id: "schema-provider-refreshed-at-its-end",
      from: "maximum: 0.95",
      to: "maximum: 1",
      tests: ["test/unit/schema/ProviderJson.test.ts"]
    },
    {
      id: "schema-provider-any-number-of-parameters",
      from: "text(2_048)).check(few(32))",
      to: "text(2_048)).check(few(1e9))",
      breaks: ["R-INP-4", "P6"],
      tests: ["test/unit/schema/ProviderJson.test.ts"]
    },
    {
      id: "schema-provider-any-number-of-rules",
      from: "Schema.Array(ErrorRule).check(Schema.isMaxLength(64))",
      to: "Schema.Array(ErrorRule)",
      breaks: ["R-INP-4", "P6"]
    }
  ])
]
