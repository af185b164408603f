import ts from "typescript";

/** What the rules of the architecture need to know about one file. */
export interface SourceSyntax {
  /** Every module that the file names: imports, re-exports, `import()`, `require()` and `import("…")` types. */
  readonly imports: readonly string[];
  /** An `import()` or `require()` whose module is computed: nobody can say where it leads. */
  readonly computedImports: number;
  /** Every string and template; what a template puts in stands as `?`. */
  readonly texts: readonly string[];
}

/**
 * Reads the syntax tree, not the text. `ts.preProcessFile` would be shorter, but it loses its place at a regular
 * expression with a quote in it, and then misses every `import()` and type import below.
 */
export function syntaxOf(path: string, source: string): SourceSyntax {
  const imports: string[] = [];
  const texts: string[] = [];
  let computedImports = 0;
  const module = (node: ts.Node | undefined): void => {
    if (node && ts.isStringLiteralLike(node)) imports.push(node.text);
    else if (node) computedImports += 1;
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) module(node.moduleSpecifier);
    else if (ts.isExternalModuleReference(node)) module(node.expression);
    else if (ts.isImportTypeNode(node))
      module(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : node.argument);
    else if (ts.isCallExpression(node) && isImportCall(node)) module(node.arguments[0]);
    else if (ts.isStringLiteralLike(node)) texts.push(node.text);
    else if (ts.isTemplateExpression(node))
      texts.push([node.head.text, ...node.templateSpans.map((span) => span.literal.text)].join("?"));
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, source, ts.ScriptTarget.Latest, false));
  return { imports, computedImports, texts };
}

function isImportCall(node: ts.CallExpression): boolean {
  if (node.expression.kind === ts.SyntaxKind.ImportKeyword) return true;
  return ts.isIdentifier(node.expression) && node.expression.text === "require";
}
