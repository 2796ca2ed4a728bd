// Verifies R-RUN-2.
/**
 * The rules of the house, executed: who may import whom, which words stay out of the source and of the
 * tests, where the environment is read, how long a module may be.
 *
 * Each rule is a function from file name and text to what is wrong, tried on a small example first, so
 * that a rule that finds nothing is known to be able to find something.
 */
import { globSync, readFileSync } from "node:fs"
import { basename, dirname, join, relative, resolve } from "node:path"
import { assert, describe, it } from "vitest"

const root = resolve(import.meta.dirname, "..")

interface Source {
  /** Relative to the checkout, with `/`. */
  readonly file: string
  readonly text: string
}

const read = (pattern: string): ReadonlyArray<Source> =>
  globSync(pattern, { cwd: root }).map((file) => ({ file, text: readFileSync(join(root, file), "utf8") }))

/** The text with comments and the inside of strings made blank, lines kept. */
const codeOnly = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/gu, (match) =>
    match.startsWith("`") ? match.replace(/\$\{|[^\n]/gu, " ") : match.replace(/[^\n]/gu, " ")
  )

/**
 * What each room may import besides itself. A room is a folder of `src`, or of `src/actors` and `src/store`.
 * `actors` and `store` alone name no folder below them: whoever imports one of their rooms names the room.
 */
const ofActors = ["domain", "schema", "store", "cache", "coherence", "crypto", "platform", "observability"]
const mayImport: Readonly<Record<string, ReadonlyArray<string>>> = {
  domain: [],
  observability: [],
  schema: ["domain"],
  crypto: ["domain", "store", "observability"],
  nats: ["observability"],
  store: ["domain", "observability"],
  "store/maria": ["store", "domain", "observability"],
  "store/memory": ["store", "domain", "observability"],
  platform: ["domain", "observability"],
  access: ["domain", "observability"],
  cache: ["domain", "schema", "nats", "observability"],
  coherence: ["domain", "schema", "store", "cache", "nats", "observability"],
  outbox: ["domain", "schema", "store", "coherence", "cache", "nats", "observability"],
  "actors/tenant": ofActors,
  "actors/validation": [...ofActors, "actors/tenant"],
  "actors/tokens": [...ofActors, "actors/tenant", "actors/validation"],
  "actors/audit": [...ofActors, "actors/tenant"],
  "actors/credentials": [...ofActors, "actors/tenant", "actors/audit", "actors/validation"],
  "actors/keys": [...ofActors, "actors/tenant"],
  rotation: [
    "domain",
    "store",
    "crypto",
    "actors/tenant",
    "actors/tokens",
    "actors/audit",
    "actors/credentials",
    "platform",
    "observability"
  ],
  protocols: [
    "domain",
    "schema",
    "access",
    "actors/tenant",
    "actors/validation",
    "actors/credentials",
    "actors/audit",
    "actors/keys",
    "nats",
    "observability"
  ],
  launch: ["domain", "store", "coherence", "nats", "observability"],
  gateway: ["schema", "nats", "observability"]
}

/** `actors/tenant/Ids.ts` is in the room `actors/tenant`, `store/Outbox.ts` in the room `store`. */
const roomOf = (file: string): string => {
  const parts = file.split("/")
  return parts.length > 2 && ["actors", "store"].includes(parts[0]!) ? `${parts[0]}/${parts[1]}` : parts[0]!
}

/** These put the parts together. */
const composition = ["main.ts", "Config.ts"]

const importsOf = ({ file, text }: Source): ReadonlyArray<string> =>
  [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"(\.[^"]+)"/gu)].map(([, path]) =>
    relative("src", join(dirname(file), path!)).replaceAll("\\", "/")
  )

/** `cache/ValidationCache.ts` and `cache/NatsValidationCache.ts`: a contract and one of its implementations. */
const isTwinOf = (contract: string, target: string): boolean =>
  dirname(contract) === dirname(target) && basename(target) === `Nats${basename(contract)}`

const wrongImports = (source: Source): ReadonlyArray<string> => {
  const from = relative("src", source.file)
  if (composition.includes(from)) return []
  const room = roomOf(from)
  const allowed = mayImport[room]
  if (allowed === undefined) return [`${source.file}: the room is not in the table`]
  return importsOf(source).flatMap((target) => {
    const into = roomOf(target)
    if (isTwinOf(from, target)) return [`${source.file} is a contract and imports its implementation ${target}`]
    return into === room || allowed.includes(into) ? [] : [`${source.file} imports ${target}`]
  })
}

interface Word {
  readonly word: RegExp
  readonly why: string
}

const clockAndChance: ReadonlyArray<Word> = [
  { word: /\bDate\.now\b/u, why: "time comes from Effect's Clock" },
  { word: /\bnew Date\(\s*\)/u, why: "time comes from Effect's Clock" },
  { word: /\bperformance\.now\b/u, why: "time comes from Effect's Clock" },
  { word: /\bprocess\.hrtime\b/u, why: "time comes from Effect's Clock" },
  { word: /\bMath\.random\b/u, why: "chance comes from Effect's Random or node:crypto" },
  { word: /\bset(?:Timeout|Interval|Immediate)\b/u, why: "waiting is Effect's, so that tests decide what time it is" },
  { word: /\bconsole\./u, why: "what is said goes through the logger, where secrets are masked" },
  { word: /@ts-(?:ignore|nocheck|expect-error)/u, why: "the types are right or the code is wrong" },
  { word: /\bas any\b/u, why: "a boundary is decoded, not believed" }
]

const testWords: ReadonlyArray<Word> = [
  { word: /\.(?:skip|skipIf|runIf|todo)\b/u, why: "a test that does not run proves nothing" },
  { word: /\.only\b/u, why: "it keeps the other tests from running" },
  { word: /\bvi\.(?:mock|doMock|hoisted)\b/u, why: "a fake passes the suite of its contract; a mock passes none" },
  { word: /\bsetTimeout\(/u, why: "a test waits for a fact, with a limit, and not for a time" },
  { word: /\bEffect\.sleep\b/u, why: "a test waits for a fact, with a limit, and not for a time" }
]

/** Helpers that a test waits with have to wait somehow. */
const mayWait = ["test/support/"]

const wrongWords = (words: ReadonlyArray<Word>, { file, text }: Source): ReadonlyArray<string> =>
  codeOnly(text)
    .split("\n")
    .flatMap((line, index) =>
      words.flatMap(({ why, word }) => (word.test(line) ? [`${file}:${index + 1} ${line.trim()} (${why})`] : []))
    )

const wrongEnvironment = ({ file, text }: Source): ReadonlyArray<string> =>
  file !== "src/Config.ts" && /\bprocess\.env\b|\bprocess\s*\[/u.test(codeOnly(text))
    ? [`${file} reads the environment; only src/Config.ts does`]
    : []

const linesMax = 300

const wrongLength = ({ file, text }: Source): ReadonlyArray<string> => {
  const lines = text.trimEnd().split("\n").length
  return lines > linesMax && !text.includes(`Longer than ${linesMax} lines because`)
    ? [`${file} has ${lines} lines and does not say "Longer than ${linesMax} lines because …"`]
    : []
}

const wrongHeader = ({ file, text }: Source): ReadonlyArray<string> =>
  /^\s*(?:\/\*\*|\/\/|-- )/u.test(text) ? [] : [`${file} does not begin by saying what it is`]

const drawers = /^(?:utils?|common|helpers?|misc|shared)(?:\.|$)/iu

const wrongName = ({ file }: Source): ReadonlyArray<string> =>
  file.split("/").some((part) => drawers.test(part)) ? [`${file} is named after a drawer`] : []

const sources = read("src/**/*.ts")
const tests = [...read("test/**/*.ts"), ...read("bench/**/*.ts")]
const scripts = read("scripts/**/*.mjs")

const none = (found: ReadonlyArray<ReadonlyArray<string>>): void => assert.deepStrictEqual(found.flat(), [])
const source = (file: string, text: string): Source => ({ file, text })

describe("the rules can be broken", () => {
  const words = (list: ReadonlyArray<Word>) => (one: Source) => wrongWords(list, one)
  const examples: ReadonlyArray<
    readonly [what: string, rule: (one: Source) => ReadonlyArray<string>, file: string, text: string]
  > = [
    ["a handler that reaches the store", wrongImports, "src/protocols/A.ts", 'import { x } from "../store/Outbox.ts"'],
    ["a domain that knows the wire", wrongImports, "src/domain/A.ts", 'import type { x } from "../schema/Ecap.ts"'],
    ["a contract with its layer", wrongImports, "src/store/TokenUse.ts", 'export * from "./maria/MariaTokenUse.ts"'],
    ["a contract with its twin", wrongImports, "src/cache/MetadataCache.ts", 'export * from "./NatsMetadataCache.ts"'],
    ["one twin with the other", wrongImports, "src/store/memory/A.ts", 'export * from "../maria/Columns.ts"'],
    ["an actor with a twin", wrongImports, "src/actors/keys/A.ts", 'import { x } from "../../store/maria/Mariadb.ts"'],
    ["a room with its upper neighbour", wrongImports, "src/actors/tenant/A.ts", 'import { x } from "../tokens/A.ts"'],
    ["a room of no table", wrongImports, "src/actors/elsewhere/A.ts", ""],
    ["an import at run time", wrongImports, "src/actors/keys/A.ts", 'const x = await import("../../gateway/Http.ts")'],
    ["a folder of no table", wrongImports, "src/elsewhere/A.ts", ""],
    ["the environment", wrongEnvironment, "src/nats/A.ts", "const x = process.env.HOME"],
    ["a long module", wrongLength, "src/domain/A.ts", "x\n".repeat(linesMax + 1)],
    ["a module without a word about itself", wrongHeader, "src/domain/A.ts", "export const x = 1"],
    ["a drawer", wrongName, "src/store/utils.ts", ""],
    ["the machine's clock", words(clockAndChance), "src/domain/A.ts", "const at = Date.now()"],
    ["a test that is not run", words(testWords), "test/a.test.ts", "it.only(1)"]
  ]

  it.each(examples)("%s is found", (_, rule, file, text) => {
    assert.strictEqual(rule(source(file, text)).length, 1)
  })

  it("words in comments and texts are not code", () => {
    none([wrongWords(clockAndChance, source("src/a.ts", '// Date.now\nconst a = "Date.now" /* new Date() */'))])
    none([wrongImports(source("src/schema/A.ts", 'import { x } from "../domain/Token.ts"'))])
  })
})

it("imports point one way", () => none(sources.map(wrongImports)))

it("only Config.ts reads the environment", () => none(sources.map(wrongEnvironment)))

it("time, chance, waiting and the terminal are services in src", () =>
  none(sources.map((one) => wrongWords(clockAndChance, one))))

it("tests all run, wait for facts, and mock nothing of ours", () =>
  none(
    tests
      .filter(({ file }) => file !== "test/architecture.test.ts" && !mayWait.some((folder) => file.startsWith(folder)))
      .map((one) => wrongWords(testWords, one))
  ))

it("a module says what it is", () => none([...sources, ...scripts].map(wrongHeader)))

it("a module is short, or says why it is not", () => none([...sources, ...scripts].map(wrongLength)))

it("no module is named after a drawer", () => none([...sources, ...scripts, ...tests].map(wrongName)))
