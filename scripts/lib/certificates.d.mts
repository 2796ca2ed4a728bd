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
export const makeStackCertificates: (
  folder: string,
  names: ReadonlyArray<string>
) => { readonly ca: string; readonly nats: string; readonly mariadb: string }
export const natsTlsEnvironment: (folder: string) => Readonly<Record<string, string>>
export const mariadbTlsArguments: (folder: string) => ReadonlyArray<string>
