/**
 * The service's source as it is now, in a folder of its own: what is started again later in a run is the
 * same program, whatever happens to the checkout meanwhile. Its modules are the checkout's.
 */
import { cpSync, symlinkSync } from "node:fs"
import { join, resolve } from "node:path"
import { temporaryFolder } from "../support/servers.ts"

const root = resolve(import.meta.dirname, "../..")

export interface SourceCopy {
  readonly path: string
  readonly remove: () => void
}

export const copySource = (): SourceCopy => {
  const folder = temporaryFolder()
  cpSync(join(root, "src"), join(folder.path, "src"), { recursive: true })
  cpSync(join(root, "package.json"), join(folder.path, "package.json"))
  symlinkSync(join(root, "node_modules"), join(folder.path, "node_modules"))
  return folder
}
