/** What `tabmesh doctor` does. */
import { homePath, openHome } from '../../home/home.ts';
import { repository } from '../../home/repository.ts';
import { ModelStore } from '../../models/model-store.ts';
import { examine, type Finding } from '../doctor.ts';
import { portOr } from '../options.ts';
import { runTask } from '../run-task.ts';
import { print, printJson } from '../terminal.ts';

export function doctorAction(port: number | undefined, json: boolean): Promise<never> {
  return runTask(() => doctor(portOr(port), json));
}

/** Whether everything is well. */
async function doctor(port: number, json: boolean): Promise<boolean> {
  const findings: Finding[] = [];
  const examined = examine({
    openHome: () => openHome(homePath()),
    openStore: (home) => new ModelStore({ home, embeddedPath: repository.models }),
    port,
  });
  for await (const finding of examined) {
    findings.push(finding);
    if (!json) print(...linesOf(finding));
  }
  const ok = findings.every((finding) => finding.ok);
  if (json) printJson({ ok, findings });
  return ok;
}

function linesOf({ name, ok, detail, advice }: Finding): string[] {
  const line = `${ok ? 'ok     ' : 'PROBLEM'} ${name.padEnd(10)} ${detail}`;
  return advice === undefined ? [line] : [line, `        ${advice}`];
}
