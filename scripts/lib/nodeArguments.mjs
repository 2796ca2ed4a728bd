/**
 * How Node is called for the service, wherever it is started.
 *
 * V8 begins with a nursery of 1 MiB and lets it grow with what survives; of what a validation makes
 * nothing does, so it stays small and is emptied all the time. At its full 16 MiB from the start, a
 * validation that MariaDB answers costs a quarter less processor time.
 *
 * Where the modules of the service are is told to Node, from the folder that holds `src`: a start takes a third less.
 */
export const nodeArguments = ["--min-semi-space-size=16", "--import", "./src/launch/Resolution.ts"]
