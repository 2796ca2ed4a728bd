/**
 * `npm run asyncapi`: writes docs/asyncapi.yaml from the operation table; `--check` only tells whether it is up to date.
 *
 * Runs on the checkout's own Node: it imports the sources as they are.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { resolve } from "node:path"
import { asyncApi } from "../src/protocols/AsyncApi.ts"
import { everyOperation } from "../src/protocols/OperationTable.ts"
import { argumentsOf } from "./lib/arguments.mjs"

export const file = resolve(import.meta.dirname, "../docs/asyncapi.yaml")

const plainText = /^[A-Za-z_][A-Za-z0-9 _/-]*$/
const word = (text) =>
  plainText.test(text) && text.trim() === text && !/^(?:true|false|null|yes|no|on|off|y|n)$/i.test(text)
    ? text
    : JSON.stringify(text)

/** A value as YAML lines, block style. */
const lines = (value) => {
  if (Array.isArray(value)) {
    if (value.length === 0) return ["[]"]
    return value.flatMap((item) => {
      const [first, ...rest] = lines(item)
      return [`- ${first}`, ...rest.map((line) => `  ${line}`)]
    })
  }
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).filter(([, inner]) => inner !== undefined)
    if (entries.length === 0) return ["{}"]
    return entries.flatMap(([key, inner]) => {
      const below = lines(inner)
      const nested = typeof inner === "object" && inner !== null && below[0] !== "[]" && below[0] !== "{}"
      return nested ? [`${word(key)}:`, ...below.map((line) => `  ${line}`)] : [`${word(key)}: ${below[0]}`]
    })
  }
  return [typeof value === "string" ? word(value) : JSON.stringify(value)]
}

export const render = () =>
  `# Written by scripts/asyncapi.mjs from the operation table. Do not edit.\n${lines(asyncApi(everyOperation)).join("\n")}\n`

if (process.argv[1] === import.meta.filename) {
  const { values } = argumentsOf(import.meta.filename, {
    call: "npm run asyncapi --",
    options: { check: { type: "boolean" } }
  })
  if (values.check === true) {
    if (readFileSync(file, "utf8") !== render()) {
      console.error("docs/asyncapi.yaml is not up to date: run node scripts/asyncapi.mjs")
      process.exitCode = 1
    }
  } else writeFileSync(file, render())
}
