// Verifies R-REC-2.
/** What a backup asks of MariaDB's own programs, which stand in here, and that it writes over nothing. */
import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { promisify } from "node:util"
import { assert, it } from "vitest"

const script = resolve(import.meta.dirname, "../../scripts/backup.mjs")

it("a backup is of one moment, from the server that was named, and goes over no file that is there", async () => {
  const folder = mkdtempSync(join(tmpdir(), "cm-backup-"))
  const [bin, out] = [join(folder, "bin"), join(folder, "out")]
  mkdirSync(bin)
  const program = (name: string, lines: ReadonlyArray<string>) =>
    writeFileSync(join(bin, name), `#!/bin/sh\ncat > /dev/null\n${lines.join("\n")}\n`, { mode: 0o700 })
  program("mariadb", ["echo 1764000000000"])
  program("mariadb-dump", ['echo "$@"', `cat "\${1#--defaults-file=}"`])
  const env = {
    PATH: `${bin}:${process.env.PATH}`,
    DATABASE_URL: "mariadb://user:planted@db.example/cm?ssl=true",
    DATABASE_CA: "/ca.pem"
  }
  const backup = () =>
    promisify(execFile)(process.execPath, [script, out, "--without-keys"], { env }).then(
      () => 0,
      ({ code }: { readonly code: number }) => code
    )
  try {
    assert.strictEqual(await backup(), 0)
    const dumped = readFileSync(join(out, "database.sql"), "utf8")
    const [args, ...options] = dumped.trimEnd().split("\n")
    assert.include(args!.split(" "), "--single-transaction")
    assert.notInclude(args, "planted")
    assert.includeMembers(options, ["ssl", "ssl-verify-server-cert", 'ssl-ca="/ca.pem"'])
    // As a backup that was cut off leaves it.
    rmSync(join(out, "backup.json"))
    writeFileSync(join(out, "database.sql"), "of before")
    assert.notStrictEqual(await backup(), 0)
    assert.strictEqual(readFileSync(join(out, "database.sql"), "utf8"), "of before")
  } finally {
    rmSync(folder, { recursive: true })
  }
})
