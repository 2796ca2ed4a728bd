/**
 * MariaDB's own client programs, on the database of a `DATABASE_URL`: `mariadb-dump` and `mariadb` must be on the path.
 *
 * The password goes through an option file that only its owner reads, and that is gone afterwards; never through
 * arguments, which every user of the machine sees. Of the URL's options `ssl=true` asks for TLS, by
 * the authority in `DATABASE_CA` or that of the stack that runs here.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { localDirOf, runningIn } from "./localDir.mjs"
import { Refusal } from "./report.mjs"

const quoted = (text) => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`

/** Runs `work` with the arguments that reach the database, its name the last of them. */
const withOptions = async (databaseUrl, work) => {
  const url = new URL(databaseUrl)
  const folder = mkdtempSync(join(tmpdir(), "cm-database-"))
  const file = join(folder, "client.cnf")
  const authority = process.env.DATABASE_CA ?? runningIn(localDirOf(process.env))?.databaseCa
  const ca = authority === undefined ? [] : [`ssl-ca=${quoted(authority)}`]
  const ssl = url.searchParams.get("ssl") === "true" ? ["ssl", "ssl-verify-server-cert", ...ca] : []
  const lines = [
    "[client]",
    `host=${quoted(url.hostname)}`,
    `port=${url.port || "3306"}`,
    "protocol=tcp",
    `user=${quoted(decodeURIComponent(url.username))}`,
    `password=${quoted(decodeURIComponent(url.password))}`,
    ...ssl
  ]
  writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o600 })
  try {
    return await work([`--defaults-file=${file}`], decodeURIComponent(url.pathname.slice(1)))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Runs one of the programs; answers what it prints. `input` and `output` are open files, where they are given. */
const run = (program, args, { input, output, text }) =>
  new Promise((resolve, reject) => {
    const stdio = [input ?? "pipe", output ?? "pipe", "pipe"]
    const child = spawn(program, args, { stdio })
    let [out, error] = ["", ""]
    child.stdout?.on("data", (chunk) => {
      out += chunk
    })
    child.stderr.on("data", (chunk) => {
      error += chunk
    })
    child.on("error", ({ code }) =>
      reject(new Refusal(code === "ENOENT" ? `${program} is not on the path: install MariaDB's client` : String(code)))
    )
    child.on("close", (code) => (code === 0 ? resolve(out) : reject(new Refusal(`${program}: ${error.trim()}`))))
    child.stdin?.end(text ?? "")
  })

/** The database as statements, of one moment, into an open file. */
export const dump = (databaseUrl, output) =>
  withOptions(databaseUrl, (options, name) =>
    run(
      "mariadb-dump",
      [...options, "--single-transaction", "--quick", "--hex-blob", "--skip-lock-tables", "--skip-tz-utc", name],
      { output }
    )
  )

export const load = (databaseUrl, input) =>
  withOptions(databaseUrl, (options, name) => run("mariadb", [...options, "--binary-mode", name], { input }))

/** One statement or several; answers rows as lines, columns by tabs. */
export const query = async (databaseUrl, text) => {
  const answer = await withOptions(databaseUrl, (options, name) =>
    run("mariadb", [...options, "--batch", "--skip-column-names", name], { text })
  )
  return answer.trimEnd()
}
