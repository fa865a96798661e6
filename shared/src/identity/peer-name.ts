/** Readable names for peers: two words made from the id, so that people can talk about them. Not unique, only handy. */
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import type { PeerId } from '../protocol/ids.ts';

const MANNERS =
  'amber bold brave brisk bright calm clear clever cool crisp deft eager early easy fair fine fleet fond frank fresh ' +
  'gentle glad golden grand hardy hazel humble jolly keen kind late light lively lucid mellow merry mild misty neat ' +
  'noble pale patient plain prime proud quick quiet rapid ready rosy sharp silver smooth soft solid spry steady still ' +
  'sunny swift tidy warm wise';
const TREES =
  'acacia alder apple ash aspen bay beech birch box cedar cherry cypress dogwood elder elm fig fir gingko hawthorn ' +
  'hazel hemlock hickory holly hornbeam ivy juniper larch laurel lemon lilac lime linden magnolia mango maple medlar ' +
  'mimosa mulberry myrtle oak olive orange osier palm peach pear pecan pine plane plum poplar quince rowan sequoia ' +
  'sorb spruce sumac sycamore tamarind teak thorn thuja walnut willow';

const manners = MANNERS.split(' ');
const trees = TREES.split(' ');

/** Two words: `quiet-rowan`. */
export function peerName(peerId: PeerId): string {
  const [first = 0, second = 0] = sha256(utf8ToBytes(peerId));
  return `${manners[first % manners.length]}-${trees[second % trees.length]}`;
}
