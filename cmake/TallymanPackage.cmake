# The installed files, and the Debian package that CPack makes of them: `make package`.
include(GNUInstallDirs)

install(TARGETS tallyman RUNTIME DESTINATION bin)
# The program prints its own manual pages and completions.
set(manual "${CMAKE_CURRENT_BINARY_DIR}/manual")
add_custom_command(OUTPUT "${manual}/man1/tallyman.1.gz"
  COMMAND "${PROJECT_SOURCE_DIR}/scripts/manual-pages" "$<TARGET_FILE:tallyman>" "${manual}"
  DEPENDS tallyman scripts/manual-pages
  VERBATIM)
add_custom_target(manual ALL DEPENDS "${manual}/man1/tallyman.1.gz")
install(DIRECTORY "${manual}/man1" DESTINATION share/man)
install(FILES "${manual}/bash/tallyman" DESTINATION share/bash-completion/completions)
install(FILES "${manual}/zsh/_tallyman" DESTINATION share/zsh/vendor-completions)
install(FILES "${manual}/fish/tallyman.fish" DESTINATION share/fish/vendor_completions.d)
# The agent runs it, not people.
install(TARGETS tallyman-monitor RUNTIME DESTINATION libexec/tallyman)
install(FILES deploy/systemd/tallyman-agent.service deploy/systemd/tallyman-nodes.service
  deploy/systemd/tallyman-server.service DESTINATION lib/systemd/system)
install(FILES deploy/systemd/tallyman.sysusers.conf DESTINATION lib/sysusers.d RENAME tallyman.conf)
install(FILES deploy/systemd/agent.conf deploy/systemd/server.conf DESTINATION /etc/tallyman)
install(FILES deploy/grafana/tallyman.json DESTINATION share/tallyman/grafana)
install(FILES deploy/prometheus/tallyman.rules.yml DESTINATION share/tallyman/prometheus)
install(FILES NOTICE README.md CHANGELOG.md docs/agent.md docs/cli.md docs/isolation.md docs/security.md
  docs/server.md
  DESTINATION share/doc/tallyman)
install(FILES deploy/debian/copyright DESTINATION share/doc/tallyman)
configure_file(deploy/debian/changelog.in changelog @ONLY)
execute_process(COMMAND gzip -9nkf changelog WORKING_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}"
  COMMAND_ERROR_IS_FATAL ANY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/changelog.gz" DESTINATION share/doc/tallyman)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME tallyman)
set(CPACK_PACKAGE_CONTACT "Tallyman maintainers <maintainers@tallyman.example>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Control plane for fleets of nodes, with books that cannot drift")
set(CPACK_PACKAGE_DESCRIPTION
  "Places long-running nodes on one's own machines, upgrades them to
 image versions that need more, less or the same, and keeps for every
 host books that are proved to balance.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
# The shared libraries it needs are found by dpkg-shlibdeps.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Windows open by the zones of tzdata.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers, tzdata")
# Only an agent needs these, not a server.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "runc, skopeo, umoci, zstd, e2fsprogs")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  "${PROJECT_SOURCE_DIR}/deploy/debian/postinst" "${PROJECT_SOURCE_DIR}/deploy/debian/prerm"
  "${PROJECT_SOURCE_DIR}/deploy/debian/postrm" "${PROJECT_SOURCE_DIR}/deploy/debian/conffiles")
include(CPack)
