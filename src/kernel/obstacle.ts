import type { Text } from "./problem.ts";

/** Why an action that exists cannot be done now. `{status}` is the record's own state: the caller reads it anyway. */
export const obstacles = {
  not_yours: {
    en: "This record is not one that you may do it on.",
    ru: "Для этой записи это действие доступно не вам.",
  },
  not_yet: {
    en: "Not yet: the state `{status}` does not allow it. It can become possible when the record moves on.",
    ru: "Пока нельзя: состояние `{status}` этого не допускает. Станет возможно, когда запись продвинется дальше.",
  },
  no_longer: {
    en: "No longer: the state `{status}` does not allow it, and no later one will.",
    ru: "Уже нельзя: состояние `{status}` этого не допускает, и ни одно из следующих не допустит.",
  },
  nothing_to_undo: {
    en: "The last event declares no inverse. An earlier one may: name it in `event`.",
    ru: "У последнего события нет обратного действия. Оно может быть у более раннего: укажите его в `event`.",
  },
} as const satisfies Record<string, Text>;

export type Obstacle = keyof typeof obstacles;

/** The sentence for an obstacle, in the language asked for. */
export const obstacleMessage = (obstacle: Obstacle, status: string | null, language: keyof Text): string =>
  obstacles[obstacle][language].replace("{status}", status ?? "");
