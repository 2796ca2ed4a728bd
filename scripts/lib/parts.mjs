/**
 * The parts of a test run: each is a program with a limit, and is counted as tests passed and failed.
 *
 * A part that passes prints one line. A part that fails prints what it said. A part that ends badly
 * without naming a failed test, or does not end in time, counts as one failure: nothing passes by
 * not having been run.
 */
import { spawn } from "node:child_process"
import { cpSync, existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { compileCache } from "./compileCache.mjs"
import { checkout } from "./find.mjs"
import { signal } from "./processes.mjs"
import { say } from "./report.mjs"
import { removeScratch, scratchFolder } from "./scratch.mjs"

const everyMs = 60_000

const bin = (name) => join(checkout, "node_modules", ".bin", name)

/**
 * Runs a program in a group of its own, in the checkout unless another folder is given; `{code, output, timedOut}`, the code
 * null when it was ended at the limit.
 */
export const capture = (command, args, { cwd = checkout, env = {}, limitMs }) =>
  new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      detached: true,
      stdio: ["ignore", "pipe", "pipe"]
    })
    const chunks = []
    let timedOut = false
    const endGroup = () => {
      if (child.pid !== undefined) signal(-child.pid, "SIGKILL")
    }
    process.once("exit", endGroup)
    const limit = setTimeout(() => {
      timedOut = true
      chunks.push(Buffer.from(`\nended after ${Math.round(limitMs / 1_000)} s, its limit\n`))
      endGroup()
    }, limitMs)
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => chunks.push(chunk))
    const done = (code) => {
      clearTimeout(limit)
      process.off("exit", endGroup)
      resolve({ code, output: Buffer.concat(chunks).toString("utf8"), timedOut })
    }
    child.once("error", (error) => {
      chunks.push(Buffer.from(error.message))
      done(null)
    })
    child.once("close", done)
  })

/** A program that is one test as a whole. */
export const program = (name, script, args, env) => ({
  name,
  run: async (limitMs) => {
    const { code, output } = await capture(bin("node"), [script, ...args], { env, limitMs })
    return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, output }
  }
})

/** `{passed, failed}` from vitest's own report; a file that could not be loaded is a failure. */
const count = (reportFile, code) => {
  try {
    const report = JSON.parse(readFileSync(reportFile, "utf8"))
    const notLoaded = report.testResults.filter(
      (file) => file.status === "failed" && file.assertionResults.length === 0
    )
    // A test that was not run is not a test that passed.
    const failed =
      report.numTotalTests - report.numPassedTests + notLoaded.length + (report.numTotalTests === 0 ? 1 : 0)
    return { passed: report.numPassedTests, failed: failed === 0 && code !== 0 ? 1 : failed }
  } catch {
    return { passed: 0, failed: 1 }
  }
}

/** One vitest project, or those that `projects` names; `keptAs` keeps vitest's report. */
export const suites = (name, env, projects = [name], keptAs = undefined) => ({
  name,
  run: async (limitMs) => {
    // The tests' temporary folders lie in it, so that none outlives the part.
    const folder = scratchFolder()
    const reportFile = join(folder, "report.json")
    const args = [
      "run",
      ...projects.map((project) => `--project=${project}`),
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${reportFile}`
    ]
    const { code, output } = await capture(bin("node"), [bin("vitest"), ...args], {
      // Worth it where a service is started hundreds of times (`test/support/serviceBundle.ts`).
      env: { NODE_COMPILE_CACHE: compileCache, CM_TEST_COMPILES_SERVICE: "1", ...env, TMPDIR: folder },
      limitMs
    })
    const counted = count(reportFile, code)
    if (keptAs !== undefined && existsSync(reportFile)) cpSync(reportFile, keptAs)
    removeScratch(folder)
    return { ...counted, output }
  }
})

const types = () => program("types", bin("tsc"), ["--noEmit", "-p", "."])
const lint = () => program("lint", bin("biome"), ["check", "--error-on-warnings", "."])

/** Types and lint, and all tests without servers; `keptAs` keeps their report. */
export const unitParts = (keptAs) => [types(), lint(), suites("unit", {}, ["unit*"], keptAs)]

/**
 * The same in less than a minute: without the tests that walk through whole models, and with a tenth of what others try
 * at random (`test/support/times.ts`).
 */
export const checkParts = () => [types(), lint(), suites("unit", { CM_TEST_TENTH: "1" }, ["unit", "unit-counting"])]

/** Runs one part within what is left of the time. */
const runPart = async (part, until) => {
  const since = performance.now()
  const elapsed = () => `${((performance.now() - since) / 1_000).toFixed(1)} s`
  const again = setInterval(() => say(`${part.name} … ${elapsed()}`), everyMs)
  const result = await part.run(Math.max(1_000, until - since))
  clearInterval(again)
  if (result.failed > 0) say(result.output.trimEnd())
  say(`${part.name}: ${result.passed} passed, ${result.failed} failed (${elapsed()})`)
  return result
}

/** Runs groups of parts, those of a group at once; prints the sum as the last line and answers whether all passed. */
export const runParts = async (groups, limitMs) => {
  const until = performance.now() + limitMs
  const results = []
  for (const group of groups) results.push(...(await Promise.all(group.map((part) => runPart(part, until)))))
  const sum = (key) => results.reduce((total, result) => total + result[key], 0)
  say(`${sum("passed")} passed, ${sum("failed")} failed`)
  return sum("failed") === 0
}
