// What is really drawn: screenshots of the map, decoded and counted by the browser itself in a blank page.

/** The places of pixels near each of the colours "#rrggbb", and how many different colours there are at all. */
export async function seen(page, decoder, colours, tolerance = 12) {
  const shot = await page.locator('#map').screenshot()
  const found = await decoder.evaluate(
    async ([base64, wanted, tolerance]) => {
      const image = new Image()
      image.src = `data:image/png;base64,${base64}`
      await image.decode()
      const context = new OffscreenCanvas(image.width, image.height).getContext('2d')
      context.drawImage(image, 0, 0)
      const { data } = context.getImageData(0, 0, image.width, image.height)
      const places = wanted.map(() => [])
      const different = new Set()
      for (let i = 0; i < data.length; i += 4) {
        different.add(((data[i] >> 3) << 10) | ((data[i + 1] >> 3) << 5) | (data[i + 2] >> 3))
        wanted.forEach((rgb, w) => {
          if (rgb.every((part, c) => Math.abs(data[i + c] - part) <= tolerance)) places[w].push(i)
        })
      }
      return { places, different: different.size }
    },
    [shot.toString('base64'), colours.map(parts), tolerance],
  )
  return { places: found.places.map((p) => new Set(p)), different: found.different }
}

function parts(colour) {
  const n = Number.parseInt(colour.slice(1), 16)
  return [n >> 16, (n >> 8) & 255, n & 255]
}

/** How many of the places are in one set and not in the other. */
export function difference(a, b) {
  let n = 0
  for (const place of a) if (!b.has(place)) n++
  return n
}

/** Looks until as many pixels of a colour are seen as wanted, or it has looked often enough; answers how many. */
export async function waitForColour(page, decoder, colour, wanted, tolerance) {
  let count = 0
  for (let looks = 0; looks < 40 && count < wanted; looks++) {
    const { places } = await seen(page, decoder, [colour], tolerance)
    count = places[0].size
  }
  return count
}
