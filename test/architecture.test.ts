// Verifies R-RUN-2.
/**
 * The rules of the house, executed: who may import whom, which words stay out of the source and of the
 * tests, where the environment is read, how long a module may be.
 *
 * Each rule is a function from file name and text to what is wrong, tried on a small example first, so
 * that a rule that finds nothing is known to be able to find something.
 */
import { existsSync, globSync, readFileSync } from "node:fs"
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

/** The rows of the table in ARCHITECTURE.md: what each room may import besides itself. */
const importTable = (page: string): Readonly<Record<string, ReadonlyArray<string>>> => {
  const names = (text: string) => [...text.matchAll(/`([^`]+)`/gu)].map(([, name]) => name!)
  const table: Record<string, ReadonlyArray<string>> = {}
  for (const [, room, allowed = ""] of page.matchAll(/^\| `([a-z/]+)` \|[^|]*\|([^|]*)\|$/gmu)) {
    const [, base, more = ""] = /^ as `([^`]+)`, and (.*)$/u.exec(allowed) ?? [null, undefined, allowed]
    table[room!] = [...(base === undefined ? [] : table[base]!), ...names(more)]
  }
  return table
}
const mayImport = importTable(readFileSync(join(root, "ARCHITECTURE.md"), "utf8"))

/** `actors/tenant/Ids.ts` is in the room `actors/tenant`, `store/Outbox.ts` in the room `store`. */
const roomOf = (file: string): string => {
  const parts = file.split("/")
  return parts.length > 2 && ["actors", "store"].includes(parts[0]!) ? `${parts[0]}/${parts[1]}` : parts[0]!
}

/** These put the parts together. */
const composition = ["main.ts", "gatewayMain.ts", "Config.ts"]

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

const turnOfLoop = /\bsetImmediate\b/u
const isNoTurn = ({ word }: Word): boolean => word !== turnOfLoop
const clockAndChance: ReadonlyArray<Word> = [
  { word: /\bDate\.now\b/u, why: "time comes from Effect's Clock" },
  { word: /\bnew Date\(\s*\)/u, why: "time comes from Effect's Clock" },
  { word: /\bperformance\.now\b/u, why: "time comes from Effect's Clock" },
  { word: /\bprocess\.hrtime\b/u, why: "time comes from Effect's Clock" },
  { word: /\bMath\.random\b/u, why: "chance comes from Effect's Random or node:crypto" },
  { word: /\bset(?:Timeout|Interval)\b/u, why: "waiting is Effect's, so that tests decide what time it is" },
  { word: turnOfLoop, why: "waiting is Effect's, so that tests decide what time it is" },
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

/** Where messages come in: whatever the client library calls back, it calls there. */
const door = "src/nats/Door.ts"
/** Connections are made here, and each is hardened. */
const connections = "src/nats/"
const library = /\bfrom "@nats-io\/(?:transport-node|nats-core)[^"]*"/u

const wrongDoor = ({ file, text }: Source): ReadonlyArray<string> => {
  const code = codeOnly(text)
  const connects = /\b(?:ws)?connect\b[^;]*?from "@nats-io\//u.test(text) && /\b(?:ws)?connect\s*\(/u.test(code)
  return [
    ...(file !== door && /\.\s*subscribe\s*\(/u.test(code) ? [`${file} subscribes past ${door}`] : []),
    ...(file !== door &&
    /\[\s*"subscribe"|\bcallback\s*:/u.test(text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/gu, "")) &&
    library.test(text)
      ? [`${file} hands the client library a callback past ${door}`]
      : []),
    ...(connects && !file.startsWith(connections) ? [`${file} makes a connection outside of ${connections}`] : []),
    ...(connects && file.startsWith(connections) && !code.includes("Door.harden")
      ? [`${file} makes a connection and does not harden it`]
      : [])
  ]
}

// ---- what tests wait for, and what they leave behind -----------------------------

/** What stands in the brackets that open at `from`, in code without its texts. */
const bracketed = (code: string, from: number): string => {
  let depth = 0
  for (let at = from; at < code.length; at++) {
    if ("([{".includes(code[at]!)) depth++
    else if (")]}".includes(code[at]!) && --depth === 0) return code.slice(from + 1, at)
  }
  return code.slice(from + 1)
}
/** How many arguments those are. */
const countOf = (within: string): number => {
  let [depth, count] = [0, within.trim() === "" ? 0 : 1]
  for (const character of within.trim().replace(/,$/u, "")) {
    if ("([{".includes(character)) depth++
    else if (")]}".includes(character)) depth--
    else if (character === "," && depth === 0) count++
  }
  return count
}
const lineAt = (text: string, at: number): number => text.slice(0, at).split("\n").length

/** Where a test connects to the database. */
const sqlSupport = "test/support/freshDatabase.ts"

/** Both libraries give up after a second, in which a busy machine answers nobody. */
const wrongLimits = ({ file, text }: Source): ReadonlyArray<string> => {
  const code = codeOnly(text)
  const requests = [...code.matchAll(/\b(?!raw\b)\w+\)?\.request\(/gu)].filter(
    ({ 0: call, index }) => !/\b(?:timeout|patient)\b/u.test(bracketed(code, index + call.length - 1))
  )
  return [
    ...requests.map(
      ({ index }) => `${file}:${lineAt(code, index)} asks the bus with the library's own limit, a second`
    ),
    ...(file !== sqlSupport && /\bcreateConnection\b[^;\n]*from "mariadb"/u.test(text)
      ? [`${file} connects to MariaDB past connectSql, with the library's own limit, a second`]
      : []),
    ...(/\bcreatePool\b[^;\n]*from "mariadb"/u.test(text) && !text.includes("connectTimeout")
      ? [`${file} makes a pool with the library's own limit for a connection, a second`]
      : [])
  ]
}

/** What fails when its test is over, or before anybody waits for it, fails the whole run. */
const wrongBeginnings = ({ file, text }: Source): ReadonlyArray<string> => {
  const code = codeOnly(text)
  const lines = text.split("\n")
  return [...code.matchAll(/^[ \t]*(?:else |return |if \(.*\) |for \(.*\) )?void (?=[\w(])/gmu)].flatMap(
    ({ 0: begins, index }) => {
      const rest = code.slice(index + begins.length)
      const end = /^(?:[\w$.!?]|\s*(?=[.(])|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*/u.exec(rest)?.[0] ?? ""
      const then = rest.indexOf(".then(")
      const isHeard =
        end.includes(".catch(") || (then >= 0 && then < end.length && countOf(bracketed(rest, then + 5)) > 1)
      const isNoPromise = /\.(?:push|splice|end|once|resetAndDestroy)\($/u.test(
        /^[\w$.!?()\s]*?\.\w+\(/u.exec(rest)?.[0] ?? ""
      )
      const line = lineAt(code, index)
      const isExplained = /Never fails/u.test(lines.slice(Math.max(0, line - 3), line).join(" "))
      return isHeard || isNoPromise || isExplained
        ? []
        : [`${file}:${line} begins something and does not say what becomes of a failure`]
    }
  )
}

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

/** What few need and every start would load, a twentieth of its work each; and who is loaded by those few alone. */
const costly: ReadonlyArray<readonly [what: RegExp, how: string, loadedLater: ReadonlyArray<string>]> = [
  [/^node:https?$/u, "ask process.getBuiltinModule for it, where it is used", []],
  [/^(?:jose|pino-pretty)$/u, "import() it, where it is used", []],
  [/^effect\/(?:http|observability)(?:\/|$)/u, "import() what needs it", ["src/observability/SpanExport.ts"]],
  [/\bSpanExport\.ts$/u, "import() it", []],
  [
    /\bgateway\/alone\.ts$|^\.\/alone\.ts$|^\.\/Gateway\.ts$/u,
    "import() it",
    ["src/gatewayMain.ts", "src/gateway/alone.ts"]
  ]
]
const wrongStart = ({ file, text }: Source): ReadonlyArray<string> =>
  [...text.matchAll(/^import (?!type\b)[^"]*"([^"]+)"/gmu)].flatMap(([, name]) =>
    costly.flatMap(([what, how, loadedLater]) =>
      what.test(name!) && !loadedLater.includes(file) ? [`${file} imports ${name}: ${how}`] : []
    )
  )

/** A room opens with its page: short, and it names the module to read first. */
const wrongPage = (room: string, text: string | null, isThere: (file: string) => boolean): ReadonlyArray<string> => {
  if (text === null) return [`src/${room} has no README.md`]
  const first = /\*\*Read first:\*\* \[[^\]]+\]\(([^)]+)\)/u.exec(text)?.[1]
  return [
    ...(text.trimEnd().split("\n").length > 20 ? [`src/${room}/README.md is longer than twenty lines`] : []),
    ...(text.startsWith(`# ${room}\n`) ? [] : [`src/${room}/README.md does not begin with its name`]),
    ...(first !== undefined && isThere(join("src", room, first))
      ? []
      : [`src/${room}/README.md names no module to read first`])
  ]
}

/** A page that tells which module is for what names every one of them. */
const unnamed = (folder: string, page: string, files: ReadonlyArray<string>): ReadonlyArray<string> =>
  files
    .filter((file) => !page.includes(`\`${basename(file)}\``))
    .map((file) => `${folder}/README.md does not name ${file}`)

/** Modules that a page names by their path below `src` (with or without `.ts`) and that are not there. */
const lost = (page: string, isThere: (file: string) => boolean): ReadonlyArray<string> =>
  [...page.matchAll(/`((?:[a-z]+\/)+[A-Za-z]+)(?:\.ts)?`/gu)]
    .map(([, path]) => path!)
    .filter((path) => /\/[A-Z][A-Za-z]+$/u.test(path) && !isThere(join("src", `${path}.ts`)))

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
    ["a slow start", wrongStart, "src/platform/A.ts", 'import { type Server, request } from "node:http"'],
    ["one by a library", wrongStart, "src/access/A.ts", 'import { compactVerify } from "jose"'],
    [
      "one by metrics",
      wrongStart,
      "src/observability/A.ts",
      'import { format } from "effect/observability/PrometheusMetrics"'
    ],
    ["one by spans", wrongStart, "src/observability/Tracing.ts", 'import { on } from "./SpanExport.ts"'],
    ["one by the gateway", wrongStart, "src/gateway/layer.ts", 'import { alone } from "./alone.ts"'],
    ["a subscription past the door", wrongDoor, "src/cache/A.ts", "control.subscribe(subject, options)"],
    [
      "a callback past the door",
      wrongDoor,
      "src/cache/A.ts",
      'import type { Msg } from "@nats-io/transport-node"\nconsume({ callback: heard })'
    ],
    [
      "a connection past the door",
      wrongDoor,
      "src/gateway/A.ts",
      'import { connect } from "@nats-io/transport-node"\nconst nc = await connect(options)'
    ],
    [
      "a connection that is not hardened",
      wrongDoor,
      "src/nats/A.ts",
      'import { connect } from "@nats-io/transport-node"\nconst nc = await connect(options)'
    ],
    ["a long module", wrongLength, "src/domain/A.ts", "x\n".repeat(linesMax + 1)],
    ["a module without a word about itself", wrongHeader, "src/domain/A.ts", "export const x = 1"],
    ["a drawer", wrongName, "src/store/utils.ts", ""],
    ["the machine's clock", words(clockAndChance), "src/domain/A.ts", "const at = Date.now()"],
    ["a test that is not run", words(testWords), "test/a.test.ts", "it.only(1)"],
    ["a request that waits for a second", wrongLimits, "test/a.test.ts", 'await nc.request(subject, "{}")'],
    [
      "a connection that waits for a second",
      wrongLimits,
      "test/a.test.ts",
      'import { createConnection } from "mariadb"'
    ],
    ["a pool that waits for a second", wrongLimits, "test/a.test.ts", 'import { createPool } from "mariadb"'],
    ["what nobody waits for", wrongBeginnings, "test/a.test.ts", "  void ask(operation, {})"],
    ["what is heard when it succeeds", wrongBeginnings, "test/a.test.ts", "void ask().then(() => {\n  over = true\n})"]
  ]

  it.each(examples)("%s is found", (_, rule, file, text) => {
    assert.strictEqual(rule(source(file, text)).length, 1)
  })

  it("a row of the import table that is taken away is missed", () => {
    const page = readFileSync(join(root, "ARCHITECTURE.md"), "utf8")
    const rooms = new Set(sources.map(({ file }) => roomOf(relative("src", file))))
    for (const room of Object.keys(mayImport).filter((one) => rooms.has(one))) {
      assert.property(importTable(page), room)
      for (const allowed of ["domain", "protocols"].filter((one) => one !== room && !mayImport[room]!.includes(one))) {
        const up = relative(join("src", room), "src")
        const reaching = source(`src/${room}/A.ts`, `import { x } from "${up}/${allowed}/B.ts"`)
        assert.lengthOf(wrongImports(reaching), 1, `${room} could import ${allowed}`)
      }
    }
  })

  it("a page that is missing, says nothing, or names what is not there is found", () => {
    assert.lengthOf(
      wrongPage("cache", null, () => true),
      1
    )
    assert.lengthOf(
      wrongPage("cache", "# cache\n\n**Read first:** [A.ts](A.ts)", () => false),
      1
    )
    assert.lengthOf(
      wrongPage("cache", "# store\n\n**Read first:** [A.ts](A.ts)", () => true),
      1
    )
    assert.lengthOf(unnamed("test/support", "`a.ts`", ["test/support/a.ts", "test/support/b.ts"]), 1)
    assert.deepStrictEqual(
      lost("see `store/Outbox.ts`, `store/Gone`", (file) => file.includes("Outbox")),
      ["store/Gone"]
    )
  })

  it("what says how long it waits, and what becomes of a failure, is right", () => {
    none(
      ['nc.request(subject, "{}", { timeout: 20_000 })', 'raw.request(subject, "{}", lines)'].map((text) =>
        wrongLimits(source("test/a.test.ts", text))
      )
    )
    none(
      [
        "void ask().catch(failed)",
        "void one.then(\n  ({ status }) => count(status),\n  () => {}\n)",
        "// Never fails.\nvoid service.exited.then(() => {})",
        "  void heard.push(subject)"
      ].map((text) => wrongBeginnings(source("test/a.test.ts", text)))
    )
  })

  it("words in comments and texts are not code", () => {
    none([wrongWords(clockAndChance, source("src/a.ts", '// Date.now\nconst a = "Date.now" /* new Date() */'))])
    none([wrongImports(source("src/schema/A.ts", 'import { x } from "../domain/Token.ts"'))])
  })
})

it("imports point one way", () => none(sources.map(wrongImports)))

it("only Config.ts reads the environment", () => none(sources.map(wrongEnvironment)))

it("every message comes in through one door", () => none(sources.map(wrongDoor)))

it("nobody makes every start longer for what few of them use", () => none(sources.map(wrongStart)))

/** They let sockets be read, or others have their turn, before they go on: a turn of the loop, and no time. */
const turns = ["src/platform/GuardedHttp.ts", "src/actors/tokens/validateAll.ts"]

it("time, chance, waiting and the terminal are services in src", () =>
  none(
    sources.map((one) => wrongWords(turns.includes(one.file) ? clockAndChance.filter(isNoTurn) : clockAndChance, one))
  ))

it("tests all run, wait for facts, and mock nothing of ours", () =>
  none(
    tests
      .filter(({ file }) => file !== "test/architecture.test.ts" && !mayWait.some((folder) => file.startsWith(folder)))
      .map((one) => wrongWords(testWords, one))
  ))

it("tests wait as long as a busy machine takes", () =>
  none(tests.filter(({ file }) => file !== "test/architecture.test.ts").map(wrongLimits)))

it("nothing that a test begins fails unheard", () =>
  // In a process of the benchmark's own it ends that process, as it should.
  none(
    tests.filter(({ file }) => file.startsWith("test/") && file !== "test/architecture.test.ts").map(wrongBeginnings)
  ))

it("a module says what it is", () => none([...sources, ...scripts].map(wrongHeader)))

it("a module is short, or says why it is not", () => none([...sources, ...scripts].map(wrongLength)))

it("no module is named after a drawer", () => none([...sources, ...scripts, ...tests].map(wrongName)))

const text = (file: string): string | null =>
  existsSync(join(root, file)) ? readFileSync(join(root, file), "utf8") : null
const isThere = (file: string): boolean => existsSync(join(root, file))

it("every room opens with its page", () => {
  const rooms = new Set(sources.map(({ file }) => dirname(relative("src", file))).filter((room) => room !== "."))
  const known = [...rooms].filter((room) => room in mayImport)
  none([...known, "actors"].map((room) => wrongPage(room, text(`src/${room}/README.md`), isThere)))
})

it("the pages of scripts and of the tests' support name every module", () => {
  for (const [folder, files] of [
    ["scripts/lib", globSync("scripts/lib/*.{mjs,sh}", { cwd: root })],
    ["test/support", globSync("test/support/*.{ts,mjs}", { cwd: root })]
  ] as const) {
    none([unnamed(folder, text(`${folder}/README.md`) ?? "", files)])
  }
})

it("ARCHITECTURE.md names nothing that is gone", () => none([lost(text("ARCHITECTURE.md")!, isThere)]))
