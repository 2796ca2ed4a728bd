export interface Bill {
  readonly bomFormat: string
  readonly specVersion: string
  readonly serialNumber: string
  readonly components: ReadonlyArray<{
    readonly name: string
    readonly version: string
    readonly purl: string
    readonly hashes: ReadonlyArray<{ readonly alg: string; readonly content: string }>
  }>
}
export const billOf: (lockText: string, all: boolean) => Bill
