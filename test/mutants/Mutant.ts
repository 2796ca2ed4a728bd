/**
 * A fault that a tired person makes, as data: one exact text of a file and what stands there instead.
 *
 * The text has to stand in the file exactly once, so that an entry which no longer means anything fails
 * (`test/unit/mutants.test.ts`). `npm run mutants` puts one fault at a time into a copy of the checkout and
 * runs the tests of the entry, nearest first, until one of them fails.
 */
export interface Mutant {
  /** Unique; the room, then the fault, in lower case with dashes. */
  readonly id: string
  /** Relative to the checkout. */
  readonly file: string
  readonly from: string
  readonly to: string
  /** Requirements of docs/requirements.md (`R-…`) and promises of ARCHITECTURE.md (`P1`) that the fault breaks. */
  readonly breaks: ReadonlyArray<string>
  /** Test files, nearest first; `file#text` runs only the tests of the file whose names contain the text. */
  readonly tests: ReadonlyArray<string>
  /** Why no test can notice it, where none does. */
  readonly survives?: string
}

/** The entries of one file with the same tests and the same promises; `of` adds one. */
export const faultsIn = (
  file: string,
  usual: { readonly breaks: ReadonlyArray<string>; readonly tests: ReadonlyArray<string> },
  faults: ReadonlyArray<Omit<Mutant, "file" | "breaks" | "tests"> & Partial<Mutant>>
): ReadonlyArray<Mutant> => faults.map((fault) => ({ file, ...usual, ...fault }))
