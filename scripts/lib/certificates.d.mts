export interface Issued {
  readonly certificate: string
  readonly key: string
}
export const makeAuthority: (folder: string, name?: string) => Issued
export const makeCertificate: (options: {
  readonly folder: string
  readonly authority: Issued
  readonly name: string
  readonly names: ReadonlyArray<string>
  readonly days?: number
}) => Issued
