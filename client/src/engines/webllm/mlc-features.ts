/** Which WebGPU features an MLC model needs: WebLLM's list names them for a few of its records only. */

/** `name`: the model's id or its quantisation, as in `q4f16_1`: weights in 4 bits, computed in 16-bit floats. */
export function featuresOf(name: string, listed: readonly string[] = []): readonly string[] {
  return /q\d+f16/.test(name) ? [...new Set([...listed, 'shader-f16'])] : listed;
}
