/** `tabmesh doctor`: one line per thing that a native peer needs. */
import { Command } from 'commander';
import { jsonOption, portOption } from '../options.ts';

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('check this machine: Node, llama.cpp, GPU, memory, WebRTC, the port, the models')
    .addOption(portOption())
    .addOption(jsonOption())
    .action(async ({ port, json }: { port?: number; json: boolean }) =>
      (await import('../actions/doctor.ts')).doctorAction(port, json),
    );
}
