import { imageContract } from './contract.ts'
import { EmbeddedImages } from './embedded.ts'
import { MemoryImages } from './memory.ts'

imageContract('memory', async () => {
  const driver = new MemoryImages()
  const addImage = async (tag: string) => {
    const id = `image ${driver.images.length}`
    driver.images.push({ id, tag })
    return id
  }
  return { driver, tag: 'amphora', addImage }
})

imageContract('embedded', async () => ({ driver: new EmbeddedImages('special'), tag: 'special' }))
