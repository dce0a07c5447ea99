// Names on the map at city scale: towns and quarters under the demo's vehicles.
//
// The road network carries no names, and a map without any is hard to find one's way on. Labels stand at the
// middle of each place, to a few hundred metres.

export interface PlaceName {
  name: string
  lon: number
  lat: number
  /** 1 the city, 2 its communes, 3 quarters. */
  rank: 1 | 2 | 3
}

export const PLACES: readonly PlaceName[] = [
  { name: 'Luxembourg', lon: 6.1305, lat: 49.6112, rank: 1 },
  { name: 'Strassen', lon: 6.0735, lat: 49.6206, rank: 2 },
  { name: 'Bertrange', lon: 6.0505, lat: 49.6108, rank: 2 },
  { name: 'Hesperange', lon: 6.1515, lat: 49.568, rank: 2 },
  { name: 'Leudelange', lon: 6.065, lat: 49.5678, rank: 2 },
  { name: 'Sandweiler', lon: 6.2145, lat: 49.6155, rank: 2 },
  { name: 'Kirchberg', lon: 6.1555, lat: 49.629, rank: 3 },
  { name: 'Limpertsberg', lon: 6.1225, lat: 49.6205, rank: 3 },
  { name: 'Belair', lon: 6.1125, lat: 49.6105, rank: 3 },
  { name: 'Merl', lon: 6.1015, lat: 49.6035, rank: 3 },
  { name: 'Hollerich', lon: 6.1195, lat: 49.597, rank: 3 },
  { name: 'Gare', lon: 6.1335, lat: 49.6005, rank: 3 },
  { name: 'Bonnevoie', lon: 6.139, lat: 49.594, rank: 3 },
  { name: 'Cessange', lon: 6.1, lat: 49.588, rank: 3 },
  { name: 'Gasperich', lon: 6.1225, lat: 49.581, rank: 3 },
  { name: 'Howald', lon: 6.1415, lat: 49.583, rank: 3 },
  { name: 'Cents', lon: 6.165, lat: 49.618, rank: 3 },
]
