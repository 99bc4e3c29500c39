/**
 * Names that a look-alike would borrow, for the `typosquat` finding. Facts as of November 2026.
 *
 * The lists are data: names of packages of npm by downloads a month, and of JSR by hand.
 */

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** The thousand packages of npm with the most downloads, 137 million a month and more. */
export const POPULAR_NPM: readonly string[] = words(`
@adobe/css-tools @alloc/quick-lru @ampproject/remapping @aws-crypto/sha256-browser
@aws-crypto/sha256-js @aws-crypto/supports-web-crypto @aws-crypto/util @aws-sdk/client-sso
@aws-sdk/core @aws-sdk/credential-provider-env @aws-sdk/credential-provider-http
@aws-sdk/credential-provider-ini @aws-sdk/credential-provider-node
@aws-sdk/credential-provider-process @aws-sdk/credential-provider-sso
@aws-sdk/credential-provider-web-identity @aws-sdk/middleware-host-header
@aws-sdk/middleware-logger @aws-sdk/middleware-recursion-detection
@aws-sdk/middleware-user-agent @aws-sdk/nested-clients @aws-sdk/region-config-resolver
@aws-sdk/token-providers @aws-sdk/types @aws-sdk/util-endpoints @aws-sdk/util-user-agent-browser
@aws-sdk/util-user-agent-node @aws-sdk/xml-builder @babel/code-frame @babel/compat-data
@babel/core @babel/generator @babel/helper-annotate-as-pure @babel/helper-compilation-targets
@babel/helper-create-class-features-plugin @babel/helper-create-regexp-features-plugin
@babel/helper-define-polyfill-provider @babel/helper-globals
@babel/helper-member-expression-to-functions @babel/helper-module-imports
@babel/helper-module-transforms @babel/helper-optimise-call-expression
@babel/helper-plugin-utils @babel/helper-remap-async-to-generator @babel/helper-replace-supers
@babel/helper-skip-transparent-expression-wrappers @babel/helper-string-parser
@babel/helper-validator-identifier @babel/helper-validator-option @babel/helper-wrap-function
@babel/helpers @babel/parser
@babel/plugin-bugfix-safari-id-destructuring-collision-in-function-expression
@babel/plugin-bugfix-v8-spread-parameters-in-optional-chaining
@babel/plugin-proposal-private-property-in-object @babel/plugin-syntax-async-generators
@babel/plugin-syntax-bigint @babel/plugin-syntax-class-properties
@babel/plugin-syntax-class-static-block @babel/plugin-syntax-import-assertions
@babel/plugin-syntax-import-attributes @babel/plugin-syntax-import-meta
@babel/plugin-syntax-json-strings @babel/plugin-syntax-jsx
@babel/plugin-syntax-logical-assignment-operators
@babel/plugin-syntax-nullish-coalescing-operator @babel/plugin-syntax-numeric-separator
@babel/plugin-syntax-object-rest-spread @babel/plugin-syntax-optional-catch-binding
@babel/plugin-syntax-optional-chaining @babel/plugin-syntax-private-property-in-object
@babel/plugin-syntax-top-level-await @babel/plugin-syntax-typescript
@babel/plugin-transform-arrow-functions @babel/plugin-transform-async-generator-functions
@babel/plugin-transform-async-to-generator @babel/plugin-transform-block-scoped-functions
@babel/plugin-transform-block-scoping @babel/plugin-transform-class-properties
@babel/plugin-transform-class-static-block @babel/plugin-transform-classes
@babel/plugin-transform-computed-properties @babel/plugin-transform-destructuring
@babel/plugin-transform-dotall-regex @babel/plugin-transform-duplicate-keys
@babel/plugin-transform-exponentiation-operator @babel/plugin-transform-for-of
@babel/plugin-transform-function-name @babel/plugin-transform-literals
@babel/plugin-transform-logical-assignment-operators
@babel/plugin-transform-member-expression-literals @babel/plugin-transform-modules-amd
@babel/plugin-transform-modules-commonjs @babel/plugin-transform-modules-systemjs
@babel/plugin-transform-modules-umd @babel/plugin-transform-named-capturing-groups-regex
@babel/plugin-transform-new-target @babel/plugin-transform-nullish-coalescing-operator
@babel/plugin-transform-numeric-separator @babel/plugin-transform-object-rest-spread
@babel/plugin-transform-object-super @babel/plugin-transform-optional-catch-binding
@babel/plugin-transform-optional-chaining @babel/plugin-transform-parameters
@babel/plugin-transform-private-methods @babel/plugin-transform-private-property-in-object
@babel/plugin-transform-property-literals @babel/plugin-transform-react-jsx-self
@babel/plugin-transform-react-jsx-source @babel/plugin-transform-regenerator
@babel/plugin-transform-reserved-words @babel/plugin-transform-shorthand-properties
@babel/plugin-transform-spread @babel/plugin-transform-sticky-regex
@babel/plugin-transform-template-literals @babel/plugin-transform-typeof-symbol
@babel/plugin-transform-typescript @babel/plugin-transform-unicode-escapes
@babel/plugin-transform-unicode-regex @babel/preset-env @babel/preset-modules @babel/runtime
@babel/template @babel/traverse @babel/types @bcoe/v8-coverage @colors/colors
@cspotcode/source-map-support @emnapi/runtime @esbuild/linux-x64 @eslint-community/eslint-utils
@eslint-community/regexpp @eslint/config-array @eslint/config-helpers @eslint/core
@eslint/eslintrc @eslint/js @eslint/object-schema @eslint/plugin-kit @floating-ui/core
@floating-ui/dom @floating-ui/react-dom @floating-ui/utils @humanfs/core @humanfs/node
@humanwhocodes/config-array @humanwhocodes/module-importer @humanwhocodes/retry
@img/sharp-libvips-linux-x64 @img/sharp-libvips-linuxmusl-x64 @img/sharp-linux-x64
@img/sharp-linuxmusl-x64 @isaacs/cliui @istanbuljs/load-nyc-config @istanbuljs/schema
@jest/console @jest/core @jest/environment @jest/expect-utils @jest/fake-timers @jest/globals
@jest/reporters @jest/schemas @jest/source-map @jest/test-result @jest/test-sequencer
@jest/transform @jest/types @jridgewell/gen-mapping @jridgewell/remapping
@jridgewell/resolve-uri @jridgewell/source-map @jridgewell/sourcemap-codec
@jridgewell/trace-mapping @nodelib/fs.scandir @nodelib/fs.stat @nodelib/fs.walk
@octokit/openapi-types @octokit/types @opentelemetry/api @opentelemetry/api-logs
@opentelemetry/core @opentelemetry/instrumentation @opentelemetry/resources
@opentelemetry/sdk-trace-base @opentelemetry/semantic-conventions @pkgjs/parseargs
@protobufjs/base64 @protobufjs/codegen @protobufjs/eventemitter @protobufjs/path
@protobufjs/pool @protobufjs/utf8 @radix-ui/react-context @radix-ui/react-primitive
@radix-ui/react-slot @rollup/pluginutils @rollup/rollup-linux-x64-gnu
@rollup/rollup-linux-x64-musl @sinclair/typebox @sindresorhus/is @sinonjs/commons
@sinonjs/fake-timers @smithy/abort-controller @smithy/config-resolver @smithy/core
@smithy/credential-provider-imds @smithy/fetch-http-handler @smithy/hash-node
@smithy/invalid-dependency @smithy/is-array-buffer @smithy/middleware-content-length
@smithy/middleware-endpoint @smithy/middleware-retry @smithy/middleware-serde
@smithy/middleware-stack @smithy/node-config-provider @smithy/node-http-handler
@smithy/property-provider @smithy/protocol-http @smithy/querystring-builder
@smithy/querystring-parser @smithy/service-error-classification @smithy/shared-ini-file-loader
@smithy/signature-v4 @smithy/smithy-client @smithy/types @smithy/url-parser @smithy/util-base64
@smithy/util-body-length-browser @smithy/util-body-length-node @smithy/util-buffer-from
@smithy/util-config-provider @smithy/util-defaults-mode-browser @smithy/util-defaults-mode-node
@smithy/util-endpoints @smithy/util-hex-encoding @smithy/util-middleware @smithy/util-retry
@smithy/util-stream @smithy/util-uri-escape @smithy/util-utf8 @swc/helpers
@tailwindcss/oxide-linux-x64-musl @testing-library/dom @testing-library/jest-dom
@tootallnate/once @tsconfig/node10 @tsconfig/node12 @tsconfig/node14 @tsconfig/node16
@types/babel__core @types/babel__generator @types/babel__template @types/babel__traverse
@types/body-parser @types/connect @types/eslint @types/estree @types/express
@types/express-serve-static-core @types/http-errors @types/istanbul-lib-coverage
@types/istanbul-lib-report @types/istanbul-reports @types/jest @types/json-schema @types/json5
@types/lodash @types/mime @types/ms @types/node @types/qs @types/range-parser @types/react
@types/react-dom @types/send @types/serve-static @types/stack-utils @types/unist @types/uuid
@types/ws @types/yargs @types/yargs-parser @typescript-eslint/eslint-plugin
@typescript-eslint/parser @typescript-eslint/project-service @typescript-eslint/scope-manager
@typescript-eslint/tsconfig-utils @typescript-eslint/type-utils @typescript-eslint/types
@typescript-eslint/typescript-estree @typescript-eslint/utils @typescript-eslint/visitor-keys
@ungap/structured-clone @unrs/resolver-binding-linux-x64-musl @vitest/expect
@vitest/pretty-format @vitest/runner @vitest/snapshot @vitest/spy @vitest/utils
@webassemblyjs/ast abbrev abort-controller accepts acorn acorn-jsx acorn-walk agent-base
aggregate-error ajv ajv-formats ajv-keywords ansi-align ansi-colors ansi-escapes ansi-regex
ansi-styles any-promise anymatch arg argparse aria-query array-buffer-byte-length array-flatten
array-includes array-union array.prototype.findlastindex array.prototype.flat
array.prototype.flatmap arraybuffer.prototype.slice arrify assertion-error ast-types async
async-function asynckit autoprefixer available-typed-arrays axios babel-jest
babel-plugin-istanbul babel-plugin-jest-hoist babel-plugin-polyfill-corejs2
babel-plugin-polyfill-corejs3 babel-plugin-polyfill-regenerator babel-preset-current-node-syntax
babel-preset-jest balanced-match base64-js baseline-browser-mapping binary-extensions bl
bluebird bn.js body-parser boolbase boxen brace-expansion braces browserslist bser buffer
buffer-crc32 buffer-equal-constant-time buffer-from bytes cacache call-bind
call-bind-apply-helpers call-bound callsites camelcase caniuse-lite chai chalk char-regex
chardet chokidar chownr ci-info cjs-module-lexer clean-stack cli-boxes cli-cursor cli-spinners
cli-truncate cli-width cliui clone clsx co color color-convert color-name color-string colorette
combined-stream commander compressible compression concat-map content-disposition content-type
convert-source-map cookie cookie-signature core-js core-js-compat core-util-is cors cosmiconfig
create-require cross-spawn css-select css-tree css-what cssesc cssom cssstyle csstype
data-uri-to-buffer data-urls data-view-buffer data-view-byte-length data-view-byte-offset
date-fns dayjs debug decamelize decimal.js decompress-response dedent deep-eql deep-extend
deep-is deepmerge defaults define-data-property define-lazy-prop define-properties
define-property delayed-stream depd dequal destroy detect-libc detect-newline diff
diff-sequences dir-glob doctrine dom-accessibility-api dom-serializer domelementtype domhandler
domutils dotenv dunder-proto eastasianwidth ecdsa-sig-formatter ee-first electron-to-chromium
emittery emoji-regex encodeurl end-of-stream enhanced-resolve entities env-paths error-ex
es-abstract es-define-property es-errors es-iterator-helpers es-module-lexer es-object-atoms
es-set-tostringtag es-shim-unscopables es-to-primitive esbuild escalade escape-html
escape-string-regexp escodegen eslint eslint-config-prettier eslint-import-resolver-node
eslint-module-utils eslint-plugin-import eslint-plugin-react eslint-plugin-react-hooks
eslint-scope eslint-visitor-keys espree esprima esquery esrecurse estraverse estree-walker
esutils etag event-target-shim eventemitter3 events execa expect express extend extend-shallow
fast-deep-equal fast-glob fast-json-stable-stringify fast-levenshtein fast-uri fast-xml-parser
fastq fb-watchman fdir figures file-entry-cache file-type fill-range finalhandler find-cache-dir
find-up flat-cache flatted follow-redirects for-each foreground-child form-data forwarded
fraction.js fresh fs-extra fs-minipass fs.realpath function-bind function.prototype.name
functions-have-names gaxios gcp-metadata generator-function gensync get-caller-file
get-intrinsic get-package-type get-proto get-stream get-symbol-description get-tsconfig glob
glob-parent glob-to-regexp globals globalthis globby google-auth-library gopd graceful-fs
graphemer has-bigints has-flag has-property-descriptors has-proto has-symbols has-tostringtag
hasown hosted-git-info html-encoding-sniffer html-escaper htmlparser2 http-cache-semantics
http-errors http-proxy-agent https-proxy-agent human-signals iconv-lite ieee754 ignore
import-fresh import-local imurmurhash indent-string inflight inherits ini inquirer internal-slot
ip-address ipaddr.js is-array-buffer is-arrayish is-async-function is-bigint is-binary-path
is-boolean-object is-buffer is-callable is-core-module is-data-view is-date-object is-descriptor
is-docker is-extendable is-extglob is-finalizationregistry is-fullwidth-code-point
is-generator-function is-glob is-interactive is-map is-negative-zero is-number is-number-object
is-obj is-path-inside is-plain-obj is-plain-object is-potential-custom-element-name is-promise
is-regex is-set is-shared-array-buffer is-stream is-string is-symbol is-typed-array
is-unicode-supported is-weakmap is-weakref is-weakset is-wsl isarray isexe isobject
istanbul-lib-coverage istanbul-lib-instrument istanbul-lib-report istanbul-lib-source-maps
istanbul-reports jackspeak jest jest-changed-files jest-circus jest-cli jest-config jest-diff
jest-docblock jest-each jest-environment-node jest-get-type jest-haste-map jest-leak-detector
jest-matcher-utils jest-message-util jest-mock jest-regex-util jest-resolve
jest-resolve-dependencies jest-runner jest-runtime jest-snapshot jest-util jest-validate
jest-watcher jest-worker jiti jose js-tokens js-yaml jsdom jsesc json-buffer
json-parse-even-better-errors json-schema-traverse json-stable-stringify-without-jsonify json5
jsonc-parser jsonfile jsonwebtoken jsx-ast-utils jwa jws keyv kind-of kleur leven levn
lightningcss-linux-x64-musl lilconfig lines-and-columns loader-runner loader-utils locate-path
lodash lodash.debounce lodash.isplainobject lodash.merge log-symbols long loose-envify lru-cache
magic-string make-dir make-error makeerror math-intrinsics mdn-data media-typer
merge-descriptors merge-stream merge2 methods micromatch mime mime-db mime-types mimic-fn
mimic-response min-indent minimatch minimist minipass minizlib mkdirp ms mute-stream nanoid
natural-compare negotiator neo-async node-addon-api node-fetch node-int64 node-releases nopt
normalize-package-data normalize-path normalize-url npm-run-path nth-check nwsapi object-assign
object-hash object-inspect object-keys object.assign object.entries object.fromentries
object.values on-finished on-headers once onetime open optionator ora own-keys p-limit p-locate
p-map p-try package-json-from-dist pako parent-module parse-json parse5 parseurl path-exists
path-is-absolute path-key path-parse path-scurry path-to-regexp path-type pathe picocolors
picomatch pify pirates pkg-dir playwright playwright-core pnpm possible-typed-array-names
postcss postcss-load-config postcss-selector-parser postcss-value-parser prelude-ls prettier
pretty-format proc-log process process-nextick-args prompts prop-types protobufjs proxy-addr
proxy-from-env psl pump punycode pure-rand qs querystringify queue-microtask randombytes
range-parser raw-body rc react react-dom react-is react-refresh read-pkg read-pkg-up
readable-stream readdirp redent reflect.getprototypeof regenerator-runtime
regexp.prototype.flags regexpu-core registry-auth-token registry-url regjsparser
require-directory require-from-string requires-port resolve resolve-cwd resolve-from
resolve-pkg-maps restore-cursor retry reusify rfdc rimraf rollup run-async run-parallel rxjs
safe-array-concat safe-buffer safe-push-apply safe-regex-test safer-buffer sax saxes scheduler
schema-utils semver send serialize-javascript serve-static set-blocking set-function-length
set-function-name set-proto setimmediate setprototypeof sharp shebang-command shebang-regex
shell-quote side-channel side-channel-list side-channel-map side-channel-weakmap signal-exit
sisteransi slash slice-ansi smart-buffer socks socks-proxy-agent source-map source-map-js
source-map-support spdx-correct spdx-exceptions spdx-expression-parse spdx-license-ids split2
sprintf-js ssri stack-utils statuses std-env stop-iteration-iterator string-length string-width
string.prototype.matchall string.prototype.trim string.prototype.trimend
string.prototype.trimstart string_decoder strip-ansi strip-bom strip-final-newline strip-indent
strip-json-comments strnum supports-color supports-preserve-symlinks-flag symbol-tree
tailwindcss tapable tar tar-fs tar-stream telecom-mas-agent terser terser-webpack-plugin
test-exclude text-table through through2 tiny-invariant tinyexec tinyglobby tinyrainbow tmp tmpl
to-regex-range toidentifier tough-cookie tr46 ts-api-utils ts-node tsconfig-paths tslib
type-check type-detect type-fest type-is typed-array-buffer typed-array-byte-length
typed-array-byte-offset typed-array-length typescript typescript-eslint uglify-js
unbox-primitive undici undici-types universalify unpipe update-browserslist-db uri-js url-parse
use-sync-external-store util util-deprecate utils-merge uuid v8-to-istanbul
validate-npm-package-license vary vite vitest w3c-xmlserializer walker watchpack wcwidth
web-streams-polyfill webidl-conversions webpack webpack-sources whatwg-encoding whatwg-mimetype
whatwg-url which which-boxed-primitive which-builtin-type which-collection which-typed-array
widest-line word-wrap wordwrap wrap-ansi wrappy write-file-atomic ws xml-name-validator
xmlbuilder xmlchars xtend y18n yallist yaml yargs yargs-parser yn yocto-queue zod
`);

/** Names that everybody knows, though others are downloaded more; by hand. */
export const FAMOUS_NPM: readonly string[] = words(`
adm-zip amqplib angular apollo-server archiver aws-sdk babel-core babel-loader backbone bcrypt
bcryptjs bootstrap browserify bunyan chart.js cheerio classnames colors concurrently
cookie-parser cookie-session create-react-app cross-env crypto-js css-loader csv-parse
csv-parser cypress discord.js echarts electron element-plus element-ui ember-cli ethers
event-stream exceljs express-session express-validator faker fastify file-loader firebase
firebase-admin font-awesome formidable formik framer-motion gatsby graphql handlebars hardhat
helmet highlight.js html-webpack-plugin http-proxy http-server husky immer immutable ioredis
jasmine jquery jquery-ui jszip kafkajs karma leaflet left-pad lerna less-loader lint-staged
live-server log4js luxon marked material-ui mocha moment moment-timezone mongodb mongoose morgan
mssql multer mustache mysql mysql2 next-auth node-cron node-ipc node-sass nodegit nodemailer
nodemon papaparse passport passport-jwt passport-local pdfkit pinia polished prisma puppeteer
rambda ramda react-hook-form react-native react-query react-redux react-router react-router-dom
recharts redis redux redux-saga redux-thunk request sass-loader sequelize shelljs sinon
socket.io socket.io-client sqlite3 storybook stripe style-loader styled-components stylelint
superagent supertest svelte swiper three ts-jest ts-loader twilio typeorm ua-parser-js
underscore unzipper url-loader validator vue-router vuetify webpack-cli webpack-dev-server
winston xml-js xml2js yeoman-generator
`);

/** Names of few letters that everybody knows; by hand. */
export const FAMOUS_SHORT_NPM: readonly string[] = words(`
gulp hapi jest knex koa next nuxt pnpm rxjs vite vue yarn zod
`);

/** Names that resemble those and have more than 100,000 downloads a month of their own. */
export const ESTABLISHED_NPM: readonly string[] = words(`
@aws-cdk/core @aws-sdk/client-ssm @smithy/signature-v4a @tsconfig/node18 @tsconfig/node20
@tsconfig/node22 @tsconfig/node24 @types/dargs @types/espree @types/jws @types/mv @types/mz
@types/q accept ansi-color ansicolors ansistyles apify args args-parser as-number
binaryextensions blob brace buffers byte callsite camel-case charset cli-spinner cline clor clui
color-namer colord colour compresion cookies csso csv-loader csx cuid dargs dbug defaulty diff3
dom-serialize eclint edn-data enquirer es-map es-set eta eventemitter2 extend2 extendr fclone
fhir findup flatten foreach fs-promise fs.extra getstream global globl globo globs has-own
htmlparser httperrors i18n import-locals inherit inquirer2 ip-bigint ip-regex is-array is-blob
is-node is-object is-regexp is-typedarray isbuffer isnumber isostring isstream it-glob it-map
its-set jets jsdoc jslint json json3 jsona jsonc jsonp just-diff kcors leva level log
lrucache merge mimer mixme mkdir mkdirp2 murmurhash nexe nonce normalizeurl not notp npm nuid
object-values one one-time opn p-tap pargs parse parse-url parsejson parseuri path path-parser
path2 pend pifs postcss-js postcss-values-parser preact preact-redux preact-router prettierx
prompt protobuf.js ps-node punycode.js punycode2 random-bytes react-if react-vis readdir rest
rs-module-lexer rsolve rsync saml saxen schedule semiver sockjs split sqlite synckit test tiff
trough ts-map ts-promise tslint tslint-config-prettier tsutils ttag ttypescript uglify-es uid
ulid urijs user utif utila utile utils uuid4 validatorjs vargs vasync vest vike vise vuex xbytes xlsx
xmlbuilder2 yam yazl
`);

/** Packages of JSR that many projects depend on. */
export const POPULAR_JSR: readonly string[] = words(`
@cliffy/ansi @cliffy/command @cliffy/prompt @cliffy/table @david/dax @david/path @deno/cache-dir
@deno/dnt @deno/doc @deno/emit @deno/loader @denosaurs/plug @fresh/core @fresh/plugin-vite @hono/hono
@luca/esbuild-deno-loader @luca/flag @oak/oak @std/archive @std/assert @std/async @std/bytes @std/cache
@std/cbor @std/cli @std/collections @std/crypto @std/csv @std/data-structures @std/datetime @std/dotenv
@std/encoding @std/expect @std/fmt @std/front-matter @std/fs @std/html @std/http @std/ini @std/internal
@std/io @std/json @std/jsonc @std/log @std/math @std/media-types @std/msgpack @std/net @std/path
@std/random @std/regexp @std/semver @std/streams @std/tar @std/testing @std/text @std/toml @std/ulid
@std/url @std/uuid @std/webgpu @std/yaml @ts-morph/bootstrap @ts-morph/common @ts-morph/ts-morph
@valibot/valibot @zod/zod
`);
