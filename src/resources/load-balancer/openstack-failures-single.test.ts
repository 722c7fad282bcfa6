import { openStackFails } from '../../../test/support/openstack-fails.ts'

openStackFails('SINGLE')
