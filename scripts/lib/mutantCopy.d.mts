export interface MutantCopy {
  readonly path: string
  readonly put: (mutant: {
    readonly id: string
    readonly file: string
    readonly from: string
    readonly to: string
  }) => () => void
  readonly remove: () => void
}
export declare const makeCopy: () => MutantCopy
