/**
 * One pair of servers for all suites of the "integration" project: `inject("natsUrl")` and
 * `inject("databaseUrl")`. Suites share it, so each uses a database, streams and subjects of its own.
 */
import type { TestProject } from "vitest/node"
import { forgetPorts, makeUnusedData, startPair, temporaryFolder } from "./servers.ts"

declare module "vitest" {
  export interface ProvidedContext {
    natsUrl: string
    /** Of a user that may create databases. */
    databaseUrl: string
  }
}

export default async (project: TestProject): Promise<() => Promise<void>> => {
  forgetPorts()
  const unused = temporaryFolder()
  await makeUnusedData(unused.path)
  const pair = await startPair()
  project.provide("natsUrl", pair.nats.url)
  project.provide("databaseUrl", pair.mariadb.url)
  return async () => {
    await pair.stop()
    unused.remove()
  }
}
