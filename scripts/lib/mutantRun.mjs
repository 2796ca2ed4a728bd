/**
 * One fault against the tests that its entry names, nearest first, until one of them fails.
 *
 * A kill is a failed test, or a test that does not end within a limit in which it passes without the fault. A file that
 * cannot be loaded is none: the entry is wrong then. Nothing is believed of a test that fails without any fault.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs"
import { join, relative } from "node:path"
import { compileCache } from "./compileCache.mjs"
import { checkout } from "./find.mjs"
import { capture } from "./parts.mjs"

/** A test takes this many times its usual time, on a machine that is busy with something else. */
const patience = 6
const limitLeastMs = 60_000
const baselineLimitMs = 15 * 60_000

/** `test/a.test.ts#some words` as file, words and vitest project. */
export const testOf = (test) => {
  const [file, words] = test.split("#")
  const project = file.startsWith("test/integration/")
    ? "integration"
    : file.startsWith("test/chaos/")
      ? "chaos"
      : file.startsWith("test/recipes/")
        ? "recipes"
        : "unit*"
  return { file, words, project }
}

const escaped = (words) => words.replaceAll(/[.*+?^${}()|[\]\\]/gu, "\\$&")

const firstLine = (text) => (text ?? "").split("\n")[0].slice(0, 200)

const isTooSlow = (message) => /TestTimeoutError|Test timed out|Hook timed out/u.test(message ?? "")

const isUnloadable = (message) =>
  /SyntaxError|ERR_INVALID_TYPESCRIPT_SYNTAX|does not provide an export|Cannot find (?:module|package)|PARSE_ERROR/u.test(
    message ?? ""
  )

const verdictOfFailure = (by, message) => {
  const said = firstLine(message)
  if (isUnloadable(message)) return { verdict: "unloadable", said }
  return { verdict: isTooSlow(message) ? "timed out" : "failed", by, said }
}

/** What vitest's report says: the first failed test, a file that could not be set up, or that all passed. */
const verdictOf = (report, words) => {
  for (const file of report.testResults) {
    const failed = file.assertionResults.find(({ status }) => status === "failed")
    if (failed !== undefined) return verdictOfFailure(failed.fullName, failed.failureMessages?.[0])
    if (file.status === "failed") return verdictOfFailure("(its set-up)", file.message)
  }
  if (report.numPassedTests === 0)
    return { verdict: "unloadable", said: `no test was run${words ? ` for "${words}"` : ""}` }
  return report.success ? { verdict: "passed" } : { verdict: "failed", by: "(the run)", said: "" }
}

/** Runs one test of an entry in a copy; `{verdict, by?, said?, ms}`. */
export const runTest = async (copy, test, limitMs) => {
  const { file, project, words } = testOf(test)
  const temporary = join(copy.path, ".local", "tmp")
  mkdirSync(temporary, { recursive: true })
  const reportFile = join(copy.path, ".local", "report.json")
  rmSync(reportFile, { force: true })
  const since = performance.now()
  const { output, timedOut } = await capture(
    join(copy.path, "node_modules", ".bin", "node"),
    [
      join(copy.path, "node_modules", "vitest", "vitest.mjs"),
      "run",
      "--project",
      project,
      "--bail=1",
      "--reporter=json",
      `--outputFile.json=${reportFile}`,
      ...(words === undefined ? [] : ["-t", escaped(words)]),
      ...(file === "" ? [] : [file])
    ],
    { cwd: copy.path, env: { NODE_COMPILE_CACHE: compileCache, TMPDIR: temporary, NO_COLOR: "1" }, limitMs }
  )
  const ms = Math.round(performance.now() - since)
  rmSync(temporary, { recursive: true, force: true, maxRetries: 10, retryDelay: 300 })
  if (timedOut) return { verdict: "timed out", by: "(its time)", said: `no end within ${limitMs} ms`, ms }
  try {
    return { ...verdictOf(JSON.parse(readFileSync(reportFile, "utf8")), words), ms }
  } catch {
    return { verdict: "unloadable", said: firstLine(output.trim().split("\n").at(-1)), ms }
  }
}

/** For how long a file's report does not count: until vitest has started, and the file is loaded. */
const loadingMs = 5_000

/** The files of which vitest's report says that all of their tests passed, and how long each took. */
export const passedFiles = (reportFile) => {
  if (!existsSync(reportFile)) return new Map()
  const { testResults } = JSON.parse(readFileSync(reportFile, "utf8"))
  const isWhole = ({ assertionResults, status }) =>
    status === "passed" && assertionResults.length > 0 && assertionResults.every((test) => test.status === "passed")
  return new Map(
    testResults
      .filter(isWhole)
      .map(({ endTime, name, startTime }) => [relative(checkout, name), Math.round(endTime - startTime) + loadingMs])
  )
}

/** How long a test takes without a fault, asked once unless `files` says it; a test that fails without one is an error. */
export const baselines = ({ pass, passed }, files = new Map()) => {
  const under = new Map()
  const learn = async (copy, test) => {
    const { ms, said, verdict } = await runTest(copy, test, baselineLimitMs)
    if (verdict === "timed out") return { busy: `${test} does not end in its time without a fault either` }
    if (verdict !== "passed") return { error: `${test} does not pass without a fault: ${verdict}, ${said}` }
    pass(test, ms)
    return { ms }
  }
  return async (copy, test) => {
    const known = passed(test) ?? files.get(testOf(test).file)
    if (known !== undefined) return { ms: known }
    if (!under.has(test)) under.set(test, learn(copy, test))
    return under.get(test)
  }
}

const limitOf = (ms) => Math.max(limitLeastMs, patience * ms)

/**
 * The outcome of one fault: `{state: "killed" | "survived" | "error" | "busy", test?, by?, said?, ms}`; busy when the machine was
 * too busy to tell, or `until` came, on the process's clock.
 */
export const tryFault = async (copy, mutant, tests, baselineOf, limitMs, until = Infinity) => {
  let ms = 0
  const limit = (usualMs) => Math.max(1, Math.min(limitMs ?? limitOf(usualMs), until - performance.now()))
  for (const test of tests) {
    const baseline = await baselineOf(copy, test)
    if (baseline.error !== undefined) return { state: "error", test, said: baseline.error, ms }
    if (baseline.busy !== undefined) return { state: "busy", test, said: baseline.busy, ms }
    const takeOut = copy.put(mutant)
    const result = await runTest(copy, test, limit(baseline.ms)).finally(takeOut)
    ms += result.ms
    if (result.verdict === "unloadable") return { state: "error", test, said: result.said, ms }
    if (result.verdict === "timed out") {
      if (performance.now() >= until) return { state: "busy", test, said: "its time was over", ms }
      // Is it the fault, or is the machine busy?
      const now = await runTest(copy, test, limit(baseline.ms))
      if (now.verdict !== "passed") return { state: "busy", test, said: "it does not end without a fault either", ms }
    }
    if (result.verdict !== "passed") return { state: "killed", test, by: result.by, said: result.said, ms }
  }
  return { state: "survived", ms }
}
