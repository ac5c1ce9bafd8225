# What is known of workers that ended, and trouble of the manager's own.
loop_test(it_blackbox 60)
