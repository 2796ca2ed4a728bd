// Verifies R-RUN-1.
/** Which servers a start takes: the first on the path that is new enough. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, it } from "vitest"
import { temporaryFolder } from "../support/servers.ts"

// Plain JavaScript without types of its own.
const { findMariadb }: { findMariadb: (env: object) => { server: string; install: string } | undefined } = await import(
  // @ts-expect-error
  "../../scripts/lib/find.mjs"
)
const { mariadbIsNeeded }: { mariadbIsNeeded: (env: object) => Error } = await import(
  // @ts-expect-error
  "../../scripts/lib/install.mjs"
)

const folder = temporaryFolder()
afterAll(() => folder.remove())

/** A folder with a `mariadbd` that says it is of this version. */
const withVersion = (version: string): string => {
  const dir = join(folder.path, version)
  mkdirSync(dir)
  for (const name of ["mariadbd", "mariadb-install-db", "my_print_defaults"]) {
    const file = join(dir, name)
    writeFileSync(file, `#!/bin/sh\necho "${file}  Ver ${version}-MariaDB-log for Linux on x86_64"\n`)
    chmodSync(file, 0o755)
  }
  return dir
}

it("a MariaDB that is too old is not taken, and the line that says what to install names it", () => {
  for (const version of ["10.5.29", "10.10.7", "5.5.68"]) {
    const dir = withVersion(version)
    assert.notStrictEqual(findMariadb({ PATH: dir })?.server, join(dir, "mariadbd"))
    const { message } = mariadbIsNeeded({ PATH: dir })
    assert.match(message, /^MariaDB 10\.11 or newer is needed \(\S+ is [\d.]+\): install it [^\n]+$/u)
    assert.include(message, `${join(dir, "mariadbd")} is ${version}`)
  }
})

it("the first that is new enough is taken, with the program beside it", () => {
  const [old, lowest, newer] = [withVersion("10.4.1"), withVersion("10.11.0"), withVersion("12.1.2")]
  const both = (dir: string) => ({ server: join(dir, "mariadbd"), install: join(dir, "mariadb-install-db") })
  assert.deepStrictEqual(findMariadb({ PATH: [old, lowest, newer].join(":") }), both(lowest))
  assert.deepStrictEqual(findMariadb({ PATH: [newer, lowest].join(":") }), both(newer))
})
