/**
 * The servers that a running system stands on: a NATS server and a MariaDB, real ones, of our own.
 *
 * Plain JavaScript for Node 20 without a package, because it runs before anything is installed. The
 * tests use it too. Everything listens on 127.0.0.1 on a free port, is stopped by its own pid, and
 * ends with the process that started it.
 */

export { busEnvironment, busUsers, configFor, newPasswords } from "./lib/bus.mjs"
export { watchOver } from "./lib/child.mjs"
export { compileCache } from "./lib/compileCache.mjs"
export { findMariadb, findNatsServer } from "./lib/find.mjs"
export { freePort } from "./lib/freePort.mjs"
export { makeMariadbData, startMariadb } from "./lib/mariadb.mjs"
export { startNats } from "./lib/natsServer.mjs"
export { nodeArguments } from "./lib/nodeArguments.mjs"
