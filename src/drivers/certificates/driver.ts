/** Where users keep their certificates and keys: Barbican's model, as much of it as load balancing needs. */

/** PEM, all of it. */
export type CertificateBundle = { certificate: string; private_key: string; intermediates: string[] }

/**
 * On whose behalf a secret is read. A user, in the project his token is for: he reads what that project may read, and what lists him by name; an admin
 * reads everything. The service, for a load balancer of that project: it reads what the project may read, and what somebody who could read it himself
 * has asked it to use. Null is whoever runs the installation, who reads everything.
 */
export type SecretReader = UserReader | ServiceReader | null

/** `token`: his own, for a store that judges by it. */
export type UserReader = { project_id: string | null; user_id: string | null; is_admin?: boolean; token?: string | null }

/** How flows and periodic jobs read: never more than for the project whose load balancer it is. */
export type ServiceReader = { project_id: string; service: true }

export const readsEverything = (reader: SecretReader): boolean => reader === null || (!('service' in reader) && reader.is_admin === true)

/**
 * A reference is what users call a secret or container by: a URL that ends in its id, or the id alone.
 * What does not exist, or is not for the reader, throws NotFoundError; a bundle that cannot be opened UnreadableBundleError; a deployment without a
 * store NoSecretStoreError. What a user or an admin is given, the service may read from then on. May be remote: never called with a
 * transaction open.
 */
export interface CertificateDriver {
  /** Whether the reader could have the bundle, without handing it out. */
  checkCertificate(reference: string, reader: SecretReader): Promise<void>
  getCertificate(reference: string, reader: SecretReader): Promise<CertificateBundle>
  /** A secret's text as it is: the PEM of a CA or of a revocation list. */
  getSecret(reference: string, reader: SecretReader): Promise<string>
  /** Whether it keeps lists of who uses a secret. */
  readonly keepsConsumers: boolean
  /**
   * Notes at the secret or container that a load balancer uses it, so that its users think twice before they delete it. As the service; content when
   * it stands there already, when the secret is gone, and where the store keeps no such list.
   */
  addConsumer(reference: string, load_balancer_id: string): Promise<void>
  /** Gone afterwards; not an error if it already was. */
  removeConsumer(reference: string, load_balancer_id: string): Promise<void>
}
