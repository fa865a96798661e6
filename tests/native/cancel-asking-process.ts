/**
 * A member in a process of its own that asks one question, so that a test can kill or stop who asks:
 * `cancel-asking-process.ts <entry's address> <question> [<model>]`.
 */
import { ModelId } from '@tabmesh/shared';
import { startMember, untilMesh } from '../setup/test-mesh.ts';
import { HELD_MODEL } from './held-cancel-engine.ts';

const [url = '', content = '', model = HELD_MODEL] = process.argv.slice(2);
const mesh = startMember(url);
await untilMesh(mesh, () => mesh.models().length > 0);
const request = { model: ModelId.parse(model), messages: [{ role: 'user' as const, content }] };
console.log('Asking');
for await (const event of mesh.complete(request, new AbortController().signal)) {
  if (event.type === 'tokens') console.log(`Heard ${event.text}`);
}
