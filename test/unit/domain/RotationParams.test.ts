// Verifies R-ROT-3, R-INP-4.
/** Parameters of a rotation: so many, of such names, so long, and texts that can be written down. */
import { assert, describe, it } from "vitest"
import { isParams, paramsMax } from "../../../src/domain/RotationParams.ts"

const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`p${n}`, "x"]))

describe("parameters of a rotation", () => {
  it.each([
    {},
    { a: "" },
    { account_1: "x".repeat(2_048) },
    { a: "🔑".repeat(2_048) },
    { [`a${"b".repeat(63)}`]: "ü" },
    many(paramsMax)
  ])("are taken: %#", (params) => assert.isTrue(isParams(params)))
  it.each([
    null,
    [],
    "text",
    { a: 1 },
    { a: null },
    { a: "x".repeat(2_049) },
    { a: "🔑".repeat(2_049) },
    { a: "\ud800" },
    { "": "x" },
    { A: "x" },
    { "1a": "x" },
    { "a-b": "x" },
    { "a ": "x" },
    { [`a${"b".repeat(64)}`]: "x" },
    many(paramsMax + 1)
  ])("are refused: %#", (params) => assert.isFalse(isParams(params)))
})
