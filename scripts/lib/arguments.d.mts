import type { ParseArgsConfig, parseArgs } from "node:util"

type Options = NonNullable<ParseArgsConfig["options"]>

export const argumentsOf: <const T extends Options = {}>(
  file: string,
  command: {
    readonly call: string
    readonly operands?: { readonly shown: string; readonly least: number; readonly most: number }
    readonly options?: T
  },
  args?: ReadonlyArray<string>
) => {
  readonly values: ReturnType<typeof parseArgs<{ options: T }>>["values"]
  readonly operands: ReadonlyArray<string>
  readonly misused: (what: string) => never
}
